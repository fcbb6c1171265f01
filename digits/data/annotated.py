"""A data set of annotated photos in one folder, whatever the format of the annotations."""

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from digits.data.annotations import Annotations
from digits.data.cleaning import boxes_by_photo
from digits.data.loading import Item
from digits.data.paths import files_below
from digits.data.photos import check_photo, load_photo, photo_size
from digits.errors import DigitsError
from digits.types import Target


class AnnotatedPhotos(Dataset[Item]):
    """Photos and their boxes; or photos alone.

    Args:
        folder: holds the photos.
        table: their names below the folder, and their boxes.
        source: the file or folder that the table came from, for messages.
        labelled: whether the table says which digits the photos hold.

    Raises:
        DigitsError: no photos at all, missing ones, or as `boxes_by_photo`.
    """

    def __init__(self, folder: Path, table: Annotations, source: Path, labelled: bool) -> None:
        self.folder = folder
        self.labelled = labelled
        self.image_ids, self._sizes = table.image_ids, table.sizes
        self.file_names = table.file_names
        if not len(self.image_ids):
            raise DigitsError(f"{source}: no photos; expected at least one.")
        if not folder.is_dir():
            raise DigitsError(f"{folder}: no such folder; it should hold the photos of {source}.")
        there = set(os.listdir(folder))  # one look instead of one per photo
        missing = [
            index
            for index, name in enumerate(self.file_names.tolist())
            if name not in there and not os.path.exists(os.path.join(folder, name))
        ]
        if missing:
            self._find(missing, source)
        self._boxes, self._labels, self._starts = boxes_by_photo(table, source)

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> Item:
        """The photo, uint8 `(3, H, W)`, and its target; boxes are clipped to the photo."""
        index = range(len(self))[index]  # counted from the end where negative, as in a list
        size = self.size(index) if self.labelled else None
        return load_photo(self.folder / self.file_names[index], size), self.target(index)

    def target(self, index: int) -> Target:
        """The target of a photo, without reading the photo."""
        rows = slice(self._starts[index], self._starts[index + 1])
        return {
            "boxes": torch.from_numpy(self._boxes[rows].copy()),
            "labels": torch.from_numpy(self._labels[rows].copy()),
            "image_id": int(self.image_ids[index]),
        }

    def size(self, index: int) -> tuple[int, int]:
        """`(height, width)` in pixels: as annotated, else from the file's header."""
        if not self.labelled:
            return photo_size(self.folder / self.file_names[index])
        height, width = self._sizes[index]
        return int(height), int(width)

    def file_name(self, index: int) -> str:
        """The name of the file below its folder."""
        return str(self.file_names[index])

    @property
    def paths(self) -> list[str]:
        """The files of all photos."""
        return [os.path.join(self.folder, name) for name in self.file_names]

    @property
    def box_count(self) -> int:
        """Digits in all photos together."""
        return len(self._labels)

    def verify(self) -> None:
        """Check every photo's header and checksums before hours of work are spent.

        Raises:
            DigitsError: a photo is unreadable, truncated, or of another size than annotated.
        """
        for index, name in enumerate(self.file_names):
            check_photo(self.folder / name, self.size(index))

    def _find(self, missing: Sequence[int], source: Path) -> None:
        """Find photos whose file names differ from those in the annotations.

        Accents come composed or not (macOS), and some tools write the folder too, or backslashes.
        """
        there = {_plain(name): name for name in files_below(self.folder)}
        names = self.file_names.tolist()
        lost = []
        for index in missing:
            parts = _plain(names[index].replace("\\", "/")).split("/")
            tails = ("/".join(parts[skip:]) for skip in range(len(parts)))
            found = next((there[tail] for tail in tails if tail in there), None)
            if found is None:
                lost.append(index)
            names[index] = found or names[index]
        if lost:
            raise DigitsError(
                f"{os.path.join(self.folder, names[lost[0]])}: listed in {source} but not there "
                f"({len(lost)} of {len(names)} photos are missing)."
            )
        twice, count = Counter(names).most_common(1)[0]
        if count > 1:
            raise DigitsError(
                f"{source}: {count} photos are {twice} in {self.folder}; names must be unique."
            )
        self.file_names = np.array(names, dtype=np.str_)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name)
