"""Data sets written in the course's layout."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from digits.data.coco_json import CATEGORIES, annotation_entry, image_entry
from digits.errors import DigitsError
from digits.types import PhotoDataset


def write_splits(out: Path, splits: Mapping[str, PhotoDataset], unlabelled: str = "test") -> None:
    """Write `OUT/SPLIT/*.png` and, but for the unlabelled split, `OUT/SPLIT.json` in COCO form.

    Args:
        out: folder to make.
        splits: data sets by name.
        unlabelled: the split whose labels are not written.

    Raises:
        DigitsError: `out` exists and is not an empty folder, or the disk is full.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DigitsError(f"{out}: exists already; choose another folder or empty it.")
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    # Under another name until it is complete: half a data set must not look like a whole one.
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for split, data in splits.items():
            _write_split(data, unfinished, split, labelled=split != unlabelled)
        unfinished.chmod(0o755)
        os.replace(unfinished, out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _write_split(data: PhotoDataset, root: Path, split: str, labelled: bool) -> None:
    (root / split).mkdir()
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for index in track(range(len(data)), description=f"{split:5}"):
        photo, target = data[index]
        name, image_id = data.file_name(index), target["image_id"]
        bgr = np.ascontiguousarray(photo.permute(1, 2, 0).numpy()[..., ::-1])
        if not cv2.imwrite(str(root / split / name), bgr):
            raise DigitsError(f"{root / split / name}: could not be written; is the disk full?")
        height, width = photo.shape[1:]
        images.append(image_entry(image_id, name, height, width))
        for (x1, y1, x2, y2), label in zip(
            target["boxes"].tolist(), target["labels"].tolist(), strict=True
        ):
            bbox = [x1, y1, x2 - x1, y2 - y1]
            annotations.append(annotation_entry(len(annotations) + 1, image_id, label, bbox))
    if labelled:
        coco = {"images": images, "annotations": annotations, "categories": CATEGORIES}
        (root / f"{split}.json").write_text(json.dumps(coco), encoding="utf-8")
