"""Annotations as a few arrays, cheap to hold and to copy for hundreds of thousands of photos."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from digits.data.formats import is_photo
from digits.data.paths import stem_id
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
        """Those of some photos, by their ids `(K,)`."""
        photos, boxes = np.isin(self.image_ids, image_ids), np.isin(self.owners, image_ids)
        return Annotations(
            self.image_ids[photos], self.file_names[photos], self.sizes[photos],
            self.owners[boxes], self.labels[boxes], self.boxes[boxes], self.notes,
        )  # fmt: skip


def numbered_photos(folder: Path) -> Annotations:
    """The photos of a folder without annotations; their ids are their file stems.

    Raises:
        DigitsError: no such folder, a stem that is no integer of 64 bits, or an id that occurs
            twice.
    """
    if not folder.is_dir():
        raise DigitsError(f"{folder}: no such folder of photos.")
    with os.scandir(folder) as entries:
        names = [e.name for e in entries if is_photo(e.name) and e.is_file()]
    by_id: list[tuple[int, str]] = []
    for name in sorted(names):
        if (image_id := stem_id(name)) is None:
            raise DigitsError(
                f"{folder / name}: expected an integer file stem (it is the image_id of a "
                f"submission), got {Path(name).stem!r}; photos of any name go in by photos=DIR."
            )
        by_id.append((image_id, name))
    by_id.sort()
    ids, names = [i for i, _ in by_id], [name for _, name in by_id]
    refuse_duplicates(ids, "image_id", folder)
    none = np.zeros(0, dtype=np.int64)
    return Annotations(
        image_ids=np.array(ids, dtype=np.int64),
        file_names=np.array(names, dtype=np.str_),
        sizes=np.zeros((len(names), 2), dtype=np.int32),
        owners=none,
        labels=none,
        boxes=np.zeros((0, 4), dtype=np.float32),
    )


def refuse_duplicates(ids: Iterable[int], what: str, path: Path) -> None:
    """Check ids that have to be unique.

    Raises:
        DigitsError: one occurs twice.
    """
    twice = [i for i, count in Counter(ids).items() if count > 1]
    if twice:
        raise DigitsError(f"{path}: {what} {twice[0]} occurs twice; ids must be unique.")
