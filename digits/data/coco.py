"""COCO data sets of digits in the course's layout."""

import os
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from digits.data.annotations import numbered_photos
from digits.data.coco_json import read_coco
from digits.data.loading import Item
from digits.data.paths import path_text
from digits.data.photos import check_photo, load_photo, photo_size
from digits.errors import DigitsError
from digits.types import Target

_TREE = """expected
  {root}/
    train/       1.png 2.png ...   train.json
    valid/       1.png 2.png ...   valid.json
    test/        1.png 2.png ...   (test.json only where the test photos are labelled)"""


class CocoDigits(Dataset[Item]):
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
        self.folder = folder
        self.labelled = annotations is not None
        table = numbered_photos(folder) if annotations is None else read_coco(annotations)
        if keep_ids is not None:
            table = table.only(keep_ids)
        self.image_ids, self.file_names, self._sizes = table[:3]
        if annotations is not None:
            self._refuse_missing(annotations)
        source = annotations or folder
        self._boxes, self._labels, self._starts = table.boxes_by_photo(source)
        if not len(self.image_ids):
            raise DigitsError(f"{source}: no photos; expected at least one.")

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> Item:
        """The photo, uint8 `(3, H, W)`, and its target; boxes are clipped to the photo."""
        index = range(len(self))[index]  # counted from the end where negative, as in a list
        size = self.size(index) if self.labelled else None
        photo = load_photo(self.folder / self.file_names[index], size)
        rows = slice(self._starts[index], self._starts[index + 1])
        target: Target = {
            "boxes": torch.from_numpy(self._boxes[rows].copy()),
            "labels": torch.from_numpy(self._labels[rows].copy()),
            "image_id": int(self.image_ids[index]),
        }
        return photo, target

    def size(self, index: int) -> tuple[int, int]:
        """`(height, width)` in pixels: as annotated, else from the file's header."""
        if not self.labelled:
            return photo_size(self.folder / self.file_names[index])
        height, width = self._sizes[index]
        return int(height), int(width)

    def file_name(self, index: int) -> str:
        """The name of the file, as annotated."""
        return str(self.file_names[index])

    @property
    def paths(self) -> list[str]:
        """The files of all photos."""
        return [os.path.join(self.folder, name) for name in self.file_names]

    def verify(self) -> None:
        """Check every photo's header before hours of work are spent.

        Raises:
            DigitsError: a photo is unreadable, truncated, or of another size than annotated.
        """
        for index, name in enumerate(self.file_names):
            check_photo(self.folder / name, self.size(index))

    def _refuse_missing(self, annotations: Path) -> None:
        if not self.folder.is_dir():
            raise DigitsError(
                f"{self.folder}: no such folder; it should hold the photos of {annotations}."
            )
        missing = [path for path in self.paths if not os.path.exists(path)]
        if missing:
            raise DigitsError(
                f"{missing[0]}: listed in {annotations} but not there "
                f"({len(missing)} of {len(self.file_names)} photos are missing)."
            )


def open_split(split: str, root: str | None, verify: bool = True) -> CocoDigits:
    """Open train, valid or test of a data set in the course's layout.

    Raises:
        DigitsError: as `CocoDigits`; a missing root or JSON shows the expected tree.
    """
    if root is None:
        raise DigitsError(f"data.root is not set: say data.root=DIR, {_TREE.format(root='DIR')}")
    root = path_text("data.root", root)
    folder, annotations = Path(root) / split, Path(root) / f"{split}.json"
    labels_needed = split != "test"
    if not folder.is_dir() or (labels_needed and not annotations.is_file()):
        lacking = folder if not folder.is_dir() else annotations
        raise DigitsError(f"{lacking}: not there (data.root={root}); {_TREE.format(root=root)}")
    data = CocoDigits(folder, annotations if annotations.is_file() else None)
    if verify and data.labelled:
        data.verify()
    return data
