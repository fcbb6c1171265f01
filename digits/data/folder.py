"""Any folder or pattern of photos, without labels."""

import glob
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from digits.console import console
from digits.data.loading import Item
from digits.data.paths import path_text
from digits.data.photos import LONGEST, SUFFIXES, load_reduced, photo_size
from digits.errors import DigitsError
from digits.types import Target

_FOREIGN = {".heic", ".heif", ".avif", ".gif", ".dng", ".cr2", ".cr3", ".nef", ".arw"}


class PhotoFolder(Dataset[Item]):
    """Photos by folder (searched with its subfolders) or by glob pattern, sorted by path.

    An `image_id` is the file's stem where all stems are different integers, as the course names
    photos; otherwise the position in the sorted list, from 1.

    Hidden files are left out. Files that look like photos of formats that are not read are named.

    Raises:
        DigitsError: nothing there.
    """

    labelled = False

    def __init__(self, photos: str) -> None:
        root = Path(path_text("photos", photos))
        entries = root.rglob("*") if root.is_dir() else map(Path, glob.glob(photos, recursive=True))
        # macOS leaves ._IMG.jpg beside IMG.jpg on foreign disks; it is no photo.
        files = [p for p in entries if p.is_file() and not p.name.startswith(".")]
        paths = sorted(p for p in files if p.suffix.lower() in SUFFIXES)
        if not paths:
            raise DigitsError(
                f"photos={photos}: no photos there; expected a folder or a pattern of files that "
                f"end in {', '.join(sorted(SUFFIXES))}."
            )
        skipped = Counter(p.suffix.lower() for p in files if p.suffix.lower() in _FOREIGN)
        if skipped:
            each = ", ".join(f"{count} {suffix}" for suffix, count in sorted(skipped.items()))
            console.print(f"photos={photos}: not read: {each}; save them as JPEG.", markup=False)
        self.root = root if root.is_dir() else Path(".")
        stems = [p.stem for p in paths]
        numeric = all(stem.isdecimal() and len(stem) < 19 for stem in stems)  # 64 bits hold them
        if numeric and len({int(stem) for stem in stems}) == len(stems):
            paths.sort(key=lambda p: int(p.stem))
            ids = [int(p.stem) for p in paths]
        else:
            ids = list(range(1, len(paths) + 1))
        self.paths = np.array([str(p) for p in paths], dtype=np.str_)
        self.image_ids = np.array(ids, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Item:
        """The photo, uint8 `(3, h, w)`, reduced to `LONGEST` pixels, and an empty target.

        The target's `size` is the file's own `(height, width)`, which boxes refer to.
        """
        photo, size = load_reduced(Path(self.paths[index]), LONGEST)
        target: Target = {
            "boxes": torch.zeros(0, 4),
            "labels": torch.zeros(0, dtype=torch.int64),
            "image_id": int(self.image_ids[index]),
            "size": size,
        }
        return photo, target

    def size(self, index: int) -> tuple[int, int]:
        """`(height, width)` of the file in pixels, upright, from its header."""
        return photo_size(Path(self.paths[index]))

    def file_name(self, index: int) -> str:
        """The path below the folder; bytes that are not UTF-8 are escaped."""
        path = Path(self.paths[index])
        name = str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)
        return name.encode("utf-8", "backslashreplace").decode()
