"""COCO data sets of digits in the course's layout."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from digits.data.coco_json import read_coco, refuse_duplicates
from digits.data.photos import SUFFIXES, check_photo, load_photo
from digits.errors import DigitsError

_TREE = """expected
  {root}/
    train/       1.png 2.png ...   train.json
    valid/       1.png 2.png ...   valid.json
    test/        1.png 2.png ...   (test.json only where the test photos are labelled)"""


class CocoDigits(Dataset):
    """Photos and boxes of one annotation file; or photos alone.

    The annotations live in a few arrays rather than in an object per box, so that hundreds of
    thousands of photos are cheap to hold and to hand to workers.

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
        if annotations is None:
            self._read_folder()
        else:
            self._read_json(annotations, keep_ids)
        if not len(self.image_ids):
            raise DigitsError(f"{annotations or folder}: no photos; expected at least one.")

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """The photo, uint8 `(3, H, W)`, and its target; boxes are clipped to the photo."""
        size = self.size(index) if self.labelled else None
        photo = load_photo(self.folder / self.file_names[index], size)
        rows = slice(self._starts[index], self._starts[index + 1])
        target = {
            "boxes": torch.from_numpy(self._boxes[rows].copy()),
            "labels": torch.from_numpy(self._labels[rows].copy()),
            "image_id": int(self.image_ids[index]),
        }
        return photo, target

    def size(self, index: int) -> tuple[int, int]:
        """`(height, width)` as annotated."""
        height, width = self._sizes[index]
        return int(height), int(width)

    def file_name(self, index: int) -> str:
        return str(self.file_names[index])

    @property
    def paths(self) -> list[str]:
        """The files of all photos."""
        return [os.path.join(self.folder, name) for name in self.file_names]

    def verify(self) -> None:
        """Look at every photo's header before hours of work are spent.

        Raises:
            DigitsError: a photo is unreadable, truncated, or of another size than annotated.
        """
        for index, name in enumerate(self.file_names):
            check_photo(self.folder / name, self.size(index))

    def _read_folder(self) -> None:
        if not self.folder.is_dir():
            raise DigitsError(f"{self.folder}: no such folder of photos.")
        names = [p.name for p in self.folder.iterdir() if p.suffix.lower() in SUFFIXES]
        odd = [name for name in names if not Path(name).stem.isdecimal()]
        if odd:
            raise DigitsError(
                f"{self.folder / min(odd)}: expected an integer file stem (it is the image_id of a "
                f"submission), got {Path(min(odd)).stem!r}; photos of any name go in by photos=DIR."
            )
        names.sort(key=lambda name: int(Path(name).stem))
        self.file_names = np.array(names, dtype=np.str_)
        self.image_ids = np.array([int(Path(name).stem) for name in names], dtype=np.int64)
        refuse_duplicates(self.image_ids.tolist(), "image_id", self.folder)
        self._sizes = np.zeros((len(names), 2), dtype=np.int32)
        self._set_boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))

    def _read_json(self, path: Path, keep_ids: np.ndarray | None) -> None:
        found = read_coco(path)
        if keep_ids is not None:
            found = found.only(keep_ids)
        self.image_ids, self.file_names, self._sizes, owners, labels, boxes = found
        self._refuse_missing(path)

        boxes[:, 2:] += boxes[:, :2]
        strangers = np.setdiff1d(owners, self.image_ids)
        if len(strangers):
            raise DigitsError(
                f"{path}: an annotation names image_id {strangers[0]}, which `images` lacks."
            )
        wrong = labels[(labels < 1) | (labels > 10)]
        if len(wrong):
            raise DigitsError(
                f"{path}: category_id {wrong[0]}: expected 1..10 (digit = category_id - 1)."
            )
        self._set_boxes(boxes, labels, np.searchsorted(self.image_ids, owners), path)

    def _set_boxes(
        self, boxes: np.ndarray, labels: np.ndarray, photos: np.ndarray, path: Path | None = None
    ) -> None:
        heights, widths = self._sizes[photos].T if len(photos) else np.zeros((2, 0))
        boxes[:, 0::2] = boxes[:, 0::2].clip(0, widths[:, None])
        boxes[:, 1::2] = boxes[:, 1::2].clip(0, heights[:, None])
        good = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1) & np.isfinite(boxes).all(axis=1)
        if not good.all():
            # Here, since predict.py rarely needs it and it takes a second or two to import.
            from lightning.pytorch.utilities.rank_zero import rank_zero_warn

            first = self.file_names[photos[~good][0]]
            rank_zero_warn(
                f"{path}: skipped {int((~good).sum())} boxes of no size or wholly outside their "
                f"photo (the first in {first})."
            )
        order = np.argsort(photos[good], kind="stable")
        self._boxes, self._labels = boxes[good][order], labels[good][order]
        counts = np.bincount(photos[good], minlength=len(self.image_ids))
        self._starts = np.concatenate([[0], np.cumsum(counts)])

    def _refuse_missing(self, path: Path) -> None:
        if not self.folder.is_dir():
            raise DigitsError(
                f"{self.folder}: no such folder; it should hold the photos of {path}."
            )
        missing = [path for path in self.paths if not os.path.exists(path)]
        if missing:
            raise DigitsError(
                f"{missing[0]}: listed in {path} but not there "
                f"({len(missing)} of {len(self.file_names)} photos are missing)."
            )


def open_split(split: str, root: str | None, verify: bool = True) -> CocoDigits:
    """Open train, valid or test of a data set in the course's layout.

    Raises:
        DigitsError: as `CocoDigits`; a missing root or JSON shows the expected tree.
    """
    if root is None:
        raise DigitsError(f"data.root is not set: say data.root=DIR, {_TREE.format(root='DIR')}")
    if not isinstance(root, str):  # Hydra takes 2023 for a number
        raise DigitsError(f"data.root={root}: taken for a number; say data.root=./NAME.")
    folder, annotations = Path(root) / split, Path(root) / f"{split}.json"
    labels_needed = split != "test"
    if not folder.is_dir() or (labels_needed and not annotations.is_file()):
        lacking = folder if not folder.is_dir() else annotations
        raise DigitsError(f"{lacking}: not there (data.root={root}); {_TREE.format(root=root)}")
    data = CocoDigits(folder, annotations if annotations.is_file() else None)
    if verify and data.labelled:
        data.verify()
    return data
