"""COCO data sets, and `data=coco`: photos and labels in any of the usual layouts."""

from pathlib import Path

import numpy as np

from digits.data.annotated import AnnotatedPhotos
from digits.data.annotations import numbered_photos
from digits.data.coco_json import read_coco
from digits.data.paths import path_text
from digits.data.yolo import open_yolo, yolo_file, yolo_split
from digits.errors import DigitsError

ROBOFLOW = "_annotations.coco.json"
_TREE = """expected
  {root}/
    train/       1.png 2.png ...   train.json
    valid/       1.png 2.png ...   valid.json
    test/        1.png 2.png ...   (test.json only where the test photos are labelled)
or Roboflow's COCO export (train/_annotations.coco.json, ...), or a YOLO folder (data.yaml)"""


class CocoDigits(AnnotatedPhotos):
    """Photos and boxes of one annotation file; or photos alone.

    Args:
        folder: holds the photos.
        annotations: COCO JSON; `None` for photos without labels, whose ids are their file stems.
        keep_ids: image ids to keep, all by default.

    Raises:
        DigitsError: missing folder or JSON, JSON that is not COCO, duplicate ids, unknown
            categories, missing photos, no photos at all.
    """

    def __init__(
        self, folder: Path, annotations: Path | None = None, keep_ids: np.ndarray | None = None
    ) -> None:
        table = numbered_photos(folder) if annotations is None else read_coco(annotations)
        if keep_ids is not None:
            table = table.only(keep_ids)
        labelled = annotations is not None
        super().__init__(folder, table, annotations or folder, labelled)


def open_split(split: str, root: str | None, verify: bool = True) -> AnnotatedPhotos:
    """Open train, valid or test of a data set; its layout is detected from its files.

    That is the course's (`SPLIT/`, `SPLIT.json`), Roboflow's COCO export
    (`SPLIT/_annotations.coco.json`) or YOLO's (`data.yaml`), the first that is there. A test
    split without any box is unlabelled.

    Raises:
        DigitsError: as `CocoDigits` and `open_yolo`; a missing root or JSON shows the expected
            tree; no boxes in train or valid.
    """
    if root is None:
        raise DigitsError(f"data.root is not set: say data.root=DIR, {_TREE.format(root='DIR')}")
    data = _open(split, path_text("data.root", root))
    if not data.box_count:
        if split != "test":
            raise DigitsError(
                f"{root}: {split} has {len(data)} photos and no boxes; expected digits to learn "
                "from or to score (photos alone are read by photos=DIR)."
            )
        data.labelled = False
    if verify and data.labelled:
        data.verify()
    return data


def has_split(split: str, root: str) -> bool:
    """Whether a data set has a split at all: its folder, or its line in a `data.yaml`."""
    yaml = yolo_file(Path(root))
    return (Path(root) / split).is_dir() or bool(yaml and yolo_split(yaml, split))


def _open(split: str, root: str) -> AnnotatedPhotos:
    folder, annotations = Path(root) / split, Path(root) / f"{split}.json"
    if not annotations.is_file():
        if (folder / ROBOFLOW).is_file():
            return CocoDigits(folder, folder / ROBOFLOW)
        if yaml := yolo_file(Path(root)):
            return open_yolo(yaml, split)
    if not folder.is_dir() or (split != "test" and not annotations.is_file()):
        lacking = folder if not folder.is_dir() else annotations
        raise DigitsError(f"{lacking}: not there (data.root={root}); {_TREE.format(root=root)}")
    return CocoDigits(folder, annotations if annotations.is_file() else None)
