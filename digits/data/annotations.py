"""Annotated photos as a few arrays: hundreds of thousands are cheap to hold and to copy."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from digits.data.photos import SUFFIXES
from digits.errors import DigitsError
from digits.types import NUM_CLASSES


class Annotations(NamedTuple):
    """N photos by ascending id, and M boxes in the order of the file."""

    image_ids: np.ndarray
    """int64 `(N,)`."""
    file_names: np.ndarray
    """str `(N,)`."""
    sizes: np.ndarray
    """int32 `(N, 2)`: height and width in pixels; 0 where they are not annotated."""
    owners: np.ndarray
    """int64 `(M,)`: the image id of each box."""
    labels: np.ndarray
    """int64 `(M,)`: category ids."""
    boxes: np.ndarray
    """float32 `(M, 4)`: x_min, y_min, width, height in pixels, as written."""

    def only(self, image_ids: np.ndarray) -> "Annotations":
        """Those of some photos."""
        photos, boxes = np.isin(self.image_ids, image_ids), np.isin(self.owners, image_ids)
        return Annotations(*(v[photos] for v in self[:3]), *(v[boxes] for v in self[3:]))

    def boxes_by_photo(self, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The boxes sorted by photo and clipped to it; a warning counts those without area left.

        Args:
            path: the annotation file, for messages.

        Returns:
            boxes float32 `(K, 4)` xyxy in pixels, labels int64 `(K,)`, and starts int64
            `(N + 1,)`: those of photo i are `boxes[starts[i] : starts[i + 1]]`.

        Raises:
            DigitsError: a box of an unknown photo, or a category that is no digit.
        """
        unknown = np.setdiff1d(self.owners, self.image_ids)
        if len(unknown):
            raise DigitsError(
                f"{path}: an annotation names image_id {unknown[0]}, which `images` lacks."
            )
        wrong = self.labels[(self.labels < 1) | (self.labels >= NUM_CLASSES)]
        if len(wrong):
            raise DigitsError(
                f"{path}: category_id {wrong[0]}: expected 1..10 (digit = category_id - 1)."
            )
        photos = np.searchsorted(self.image_ids, self.owners)
        low = self.boxes[:, :2]
        limits = self.sizes[photos][:, ::-1]  # width, height
        boxes = np.concatenate([low.clip(0, limits), (low + self.boxes[:, 2:]).clip(0, limits)], 1)
        boxes = boxes.astype(np.float32)
        good = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1) & np.isfinite(boxes).all(axis=1)
        if not good.all():
            # Here, since predict.py rarely needs it and it takes a second or two to import.
            from lightning.pytorch.utilities import rank_zero_warn

            first = self.file_names[photos[~good][0]]
            rank_zero_warn(
                f"{path}: skipped {int((~good).sum())} boxes of no size or wholly outside their "
                f"photo (the first in {first})."
            )
        order = np.argsort(photos[good], kind="stable")
        counts = np.bincount(photos[good], minlength=len(self.image_ids))
        starts = np.concatenate([[0], np.cumsum(counts)])
        return boxes[good][order], self.labels[good][order], starts


def numbered_photos(folder: Path) -> Annotations:
    """The photos of a folder without annotations; their ids are their file stems.

    Raises:
        DigitsError: no such folder, a stem that is not an integer, or an id that occurs twice.
    """
    if not folder.is_dir():
        raise DigitsError(f"{folder}: no such folder of photos.")
    names = [p.name for p in folder.iterdir() if p.suffix.lower() in SUFFIXES]
    odd = [name for name in names if not Path(name).stem.isdecimal()]
    if odd:
        raise DigitsError(
            f"{folder / min(odd)}: expected an integer file stem (it is the image_id of a "
            f"submission), got {Path(min(odd)).stem!r}; photos of any name go in by photos=DIR."
        )
    names.sort(key=lambda name: int(Path(name).stem))
    ids = np.array([int(Path(name).stem) for name in names], dtype=np.int64)
    refuse_duplicates(ids.tolist(), "image_id", folder)
    none = np.zeros(0, dtype=np.int64)
    return Annotations(
        image_ids=ids,
        file_names=np.array(names, dtype=np.str_),
        sizes=np.zeros((len(names), 2), dtype=np.int32),
        owners=none,
        labels=none,
        boxes=np.zeros((0, 4), dtype=np.float32),
    )


def refuse_duplicates(ids: Iterable[int], what: str, path: Path) -> None:
    """Raises DigitsError where an id occurs twice."""
    twice = [i for i, count in Counter(ids).items() if count > 1]
    if twice:
        raise DigitsError(f"{path}: {what} {twice[0]} occurs twice; ids must be unique.")
