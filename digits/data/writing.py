"""Write data sets in the course's layout."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from digits.data.coco_json import CATEGORIES, annotation_entry, image_entry
from digits.errors import DigitsError
from digits.types import PhotoDataset, Target


def write_splits(out: Path, splits: Mapping[str, PhotoDataset], unlabelled: str = "test") -> None:
    """Write `OUT/SPLIT/ID.png` and, but for the unlabelled split, `OUT/SPLIT.json` in COCO form.

    Args:
        out: folder to make.
        splits: data sets by name.
        unlabelled: the split whose labels are not written.

    Raises:
        DigitsError: `out` exists and is not an empty folder, or the disk is full.
    """
    with new_folder(out) as root:
        for split, data in splits.items():
            _write_split(data, root, split, labelled=split != unlabelled)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder that appears under its name only when the block ends without an error.

    Half a data set must not look like a whole one.

    Raises:
        DigitsError: `out` exists and is not an empty folder, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DigitsError(f"{out}: exists already; choose another folder or empty it.")
    out = out.absolute()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise DigitsError(f"{out}: cannot be made ({error.strerror}); choose another.") from error
    try:
        yield unfinished
        unfinished.chmod(0o755)
        os.replace(unfinished, out)
    except OSError as error:
        raise DigitsError(f"{out}: cannot be written ({error.strerror or error}).") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


class CocoWriter:
    """Gathers the photos and boxes of a split, then writes its COCO JSON."""

    def __init__(self) -> None:
        self._images: list[dict[str, object]] = []
        self._annotations: list[dict[str, object]] = []

    def add(self, target: Target, name: str, height: int, width: int) -> None:
        """A photo of that many pixels, and its boxes."""
        image_id, boxes = target["image_id"], target["boxes"].tolist()
        self._images.append(image_entry(image_id, name, height, width))
        for (x1, y1, x2, y2), label in zip(boxes, target["labels"].tolist(), strict=True):
            bbox = [x1, y1, x2 - x1, y2 - y1]
            number = len(self._annotations) + 1
            self._annotations.append(annotation_entry(number, image_id, label, bbox))

    def write(self, path: Path) -> None:
        """The file, with the course's categories."""
        content = {"images": self._images, "annotations": self._annotations}
        path.write_text(json.dumps(content | {"categories": CATEGORIES}), encoding="utf-8")


def _write_split(data: PhotoDataset, root: Path, split: str, labelled: bool) -> None:
    (root / split).mkdir()
    writer = CocoWriter()
    for index in track(range(len(data)), description=f"{split:5}"):
        photo, target = data[index]
        # By the id, as the course names photos: names in annotations may lead anywhere.
        name = f"{target['image_id']}.png"
        bgr = np.ascontiguousarray(photo.permute(1, 2, 0).numpy()[..., ::-1])
        if not cv2.imwrite(str(root / split / name), bgr):
            raise DigitsError(f"{root / split / name}: could not be written; is the disk full?")
        height, width = photo.shape[1:]
        writer.add(target, name, height, width)
    if labelled:
        writer.write(root / f"{split}.json")
