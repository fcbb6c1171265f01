"""A data set of unlabelled photos with any file names."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from digits.data.finding import find_photos
from digits.data.loading import Item
from digits.data.paths import stem_ids
from digits.data.photos import LONGEST, load_reduced, photo_size
from digits.errors import DigitsError
from digits.types import Target


class PhotoFolder(Dataset[Item]):
    """Photos by folder, pattern, file or address, or a list of them (`find_photos`).

    An `image_id` is the file's stem where all stems are different integers, as the course names
    photos, which are then sorted by it; otherwise the position in the list, from 1.

    Args:
        photos: as in `find_photos`.
        downloads: likewise.

    Raises:
        DigitsError: as `find_photos`.
    """

    labelled = False

    def __init__(self, photos: object, downloads: Path | None = None) -> None:
        paths = find_photos(photos, downloads)
        self.root = Path(photos) if isinstance(photos, str) and Path(photos).is_dir() else Path()
        self.paths = np.array([str(p) for p in paths], dtype=np.str_)
        self.image_ids = np.arange(1, len(paths) + 1)
        if (ids := stem_ids(self.paths)) is not None:
            order = np.argsort(ids)
            self.paths, self.image_ids = self.paths[order], np.array(ids, dtype=np.int64)[order]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Item:
        """The photo, uint8 `(3, h, w)`, reduced to `LONGEST` pixels, and an empty target.

        The target's `size` is the file's own `(height, width)`, which boxes refer to. Of a file
        that cannot be read it says why (`unreadable`), and the photo is empty.
        """
        target: Target = {
            "boxes": torch.zeros(0, 4),
            "labels": torch.zeros(0, dtype=torch.int64),
            "image_id": int(self.image_ids[index]),
        }
        path = Path(self.paths[index])
        try:
            photo, target["size"] = load_reduced(path, LONGEST)
        except DigitsError as error:
            photo, target["unreadable"] = _no_photo(), str(error)
            if os.path.isdir(path):
                target["unreadable"] = f"{path}: a folder that may not be searched."
        return photo, target

    def size(self, index: int) -> tuple[int, int]:
        """`(height, width)` of the file in pixels, upright, from its header."""
        return photo_size(Path(self.paths[index]))

    def file_name(self, index: int) -> str:
        """The path below the folder; bytes that are not UTF-8 are escaped."""
        path = Path(self.paths[index])
        name = str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)
        return name.encode("utf-8", "backslashreplace").decode()


def _no_photo() -> Tensor:
    return torch.zeros(3, 0, 0, dtype=torch.uint8)
