"""Any folder or pattern of photos, without labels."""

import glob
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from digits.data.photos import SUFFIXES, load_reduced
from digits.errors import DigitsError

# Pixels. Digits that the first look can find at all (`digits.models.zoom` takes the second) are
# then some 50 pixels high; a phone's twelve million would only cost seconds.
LONGEST = 1000


class PhotoFolder(Dataset):
    """Photos by folder (searched with its subfolders) or by glob pattern, sorted by path.

    An `image_id` is the file's stem where all stems are different integers, as the course names
    photos; otherwise the position in the sorted list, from 1.

    Raises:
        DigitsError: nothing there.
    """

    labelled = False

    def __init__(self, photos: str) -> None:
        root = Path(photos)
        found = root.rglob("*") if root.is_dir() else map(Path, glob.glob(photos, recursive=True))
        paths = sorted(p for p in found if p.suffix.lower() in SUFFIXES and p.is_file())
        if not paths:
            raise DigitsError(
                f"photos={photos}: no photos there; expected a folder or a pattern of files that "
                f"end in {', '.join(sorted(SUFFIXES))}."
            )
        self.root = root if root.is_dir() else Path(".")
        stems = [p.stem for p in paths]
        if all(stem.isdecimal() for stem in stems) and len({int(s) for s in stems}) == len(stems):
            paths.sort(key=lambda p: int(p.stem))
            ids = [int(p.stem) for p in paths]
        else:
            ids = list(range(1, len(paths) + 1))
        self.paths = np.array([str(p) for p in paths], dtype=np.str_)
        self.image_ids = np.array(ids, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """The photo, uint8 `(3, h, w)`, reduced to `LONGEST` pixels, and an empty target.

        The target's `size` is the file's own `(height, width)`, which boxes refer to.
        """
        photo, size = load_reduced(Path(self.paths[index]), LONGEST)
        target = {
            "boxes": torch.zeros(0, 4),
            "labels": torch.zeros(0, dtype=torch.int64),
            "image_id": int(self.image_ids[index]),
            "size": size,
        }
        return photo, target

    def file_name(self, index: int) -> str:
        path = Path(self.paths[index])
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)
