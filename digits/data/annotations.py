"""Annotated photos as a few arrays: hundreds of thousands are cheap to hold and to copy."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from digits.data.photos import is_photo
from digits.errors import DigitsError


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
    """int64 `(M,)` in 1..10: the digit + 1."""
    boxes: np.ndarray
    """float32 `(M, 4)`: x_min, y_min, width, height in pixels, as written."""

    notes: tuple[str, ...] = ()
    """What was done to boxes in reading, with counts, for people."""

    def only(self, image_ids: np.ndarray) -> "Annotations":
        """Those of some photos."""
        photos, boxes = np.isin(self.image_ids, image_ids), np.isin(self.owners, image_ids)
        return Annotations(
            self.image_ids[photos], self.file_names[photos], self.sizes[photos],
            self.owners[boxes], self.labels[boxes], self.boxes[boxes], self.notes,
        )  # fmt: skip


def numbered_photos(folder: Path) -> Annotations:
    """The photos of a folder without annotations; their ids are their file stems.

    Raises:
        DigitsError: no such folder, a stem that is not an integer, or an id that occurs twice.
    """
    if not folder.is_dir():
        raise DigitsError(f"{folder}: no such folder of photos.")
    with os.scandir(folder) as entries:
        names = [e.name for e in entries if is_photo(e.name) and e.is_file()]
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
