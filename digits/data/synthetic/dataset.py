"""Synthetic photos as a data set, and written to files."""

from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from digits.data.loading import Item
from digits.data.synthetic.layouts import draw_layout
from digits.data.synthetic.render import render
from digits.data.writing import write_splits
from digits.errors import DigitsError
from digits.types import Target

_MAX_PHOTOS = 10_000_000  # their ids alone take half a gigabyte where they are shuffled
SPLITS = ("train", "valid", "test")


class SyntheticDigits(Dataset[Item]):
    """Photos drawn on demand; photo i depends on `(seed, i)` alone, in any process and order.

    Args:
        count: number of photos.
        seed: another seed is another data set; it must not be negative.
    """

    labelled = True
    paths: tuple[str, ...] = ()

    def __init__(self, count: int, seed: int = 0) -> None:
        if not 1 <= count <= _MAX_PHOTOS or seed < 0:
            raise DigitsError(
                f"expected a count of 1 to {_MAX_PHOTOS} and seed >= 0, got {count} and {seed}."
            )
        self.seed = seed
        self.image_ids = np.arange(1, count + 1, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> Item:
        """The photo, uint8 `(3, H, W)` RGB, and its target, in reading order."""
        photo, boxes, labels = self.draw(self._rng(index))
        target: Target = {
            "boxes": torch.from_numpy(boxes),
            "labels": torch.from_numpy(labels),
            "image_id": int(self.image_ids[index]),
        }
        return torch.from_numpy(photo).permute(2, 0, 1).contiguous(), target

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A photo uint8 (H, W, 3) RGB, its boxes float32 (N, 4) and labels int64 (N,)."""
        return render(rng)

    def size(self, index: int) -> tuple[int, int]:
        """`(height, width)` in pixels, without drawing the photo."""
        layout = draw_layout(self._rng(index))
        return layout.height, layout.width

    def file_name(self, index: int) -> str:
        """Its image_id as a PNG."""
        return f"{self.image_ids[index]}.png"

    def _rng(self, index: int) -> np.random.Generator:
        # Counted from the end where negative, and IndexError past it, as in a list.
        return np.random.default_rng((self.seed, range(len(self))[index]))


def open_split(
    split: str, train_count: int, valid_count: int, test_count: int, seed: int = 0
) -> SyntheticDigits:
    """Open train, valid or test, each drawn from a seed of its own.

    Raises:
        DigitsError: another split.
    """
    if split not in SPLITS:
        raise DigitsError(f"split={split}: expected one of {', '.join(SPLITS)}.")
    number = SPLITS.index(split)
    count = (train_count, valid_count, test_count)[number]
    return SyntheticDigits(count, len(SPLITS) * seed + number)


def write(out: Path, count: int, seed: int = 0) -> None:
    """Write a data set in the course's layout: `count` photos in train, a tenth in valid and test.

    Raises:
        DigitsError: `out` exists and is not an empty folder.
    """
    few = max(1, count // 10)
    splits = {split: open_split(split, count, few, few, seed) for split in SPLITS}
    write_splits(out, splits)
