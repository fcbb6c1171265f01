"""The LightningDataModule: splits, augmentation, loaders."""

import os
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Item = tuple[Tensor, dict[str, Any]]
Augmentation = Callable[[Tensor, dict[str, Any]], Item]


class Augmented(Dataset):
    """A data set behind an augmentation."""

    def __init__(self, data: Any, augmentation: Augmentation) -> None:
        self.data = data
        self.augmentation = augmentation

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Item:
        return self.augmentation(*self.data[index])


def collate(items: list[Item]) -> tuple[list[Tensor], list[dict[str, Any]]]:
    """Photos differ in size, so a batch is a list of photos and a list of targets."""
    photos, targets = zip(*items, strict=True)
    return list(photos), list(targets)


def loader(data: Any, batch_size: int, num_workers: int | None, **kwargs: Any) -> DataLoader:
    """A loader of photos, in order unless `shuffle` is given."""
    if num_workers is None:
        num_workers = min(8, max(1, (os.cpu_count() or 1) // 2))
    return DataLoader(
        data,
        batch_size=batch_size,
        num_workers=num_workers,
        collate_fn=collate,
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
        **kwargs,
    )


class DigitsDataModule(L.LightningDataModule):
    """Serves the splits of one source.

    Args:
        open_split: `train`, `valid` or `test` to a data set of (photo, target).
        augmentation: `(photo, target)` to the same, for training only.
        batch_size: photos per batch and process.
        num_workers: loading processes per loader; 0 loads in the main process, `None` takes
            half the cores, 1 to 8.
    """

    def __init__(
        self,
        open_split: Callable[[str], Any],
        augmentation: Augmentation | None = None,
        batch_size: int = 16,
        num_workers: int | None = None,
    ) -> None:
        super().__init__()
        self.open_split = open_split
        self.augmentation = augmentation
        self.batch_size = batch_size
        self.num_workers = num_workers

    def setup(self, stage: str) -> None:
        """Open train and valid, once."""
        if not hasattr(self, "valid"):
            self.train = self.open_split("train")
            self.valid = self.open_split("valid")

    def train_dataloader(self) -> DataLoader:
        data = self.train if self.augmentation is None else Augmented(self.train, self.augmentation)
        # A last batch of one photo makes poor batch statistics; tiny sets keep what they have.
        drop_last = len(data) >= self.batch_size
        return loader(data, self.batch_size, self.num_workers, shuffle=True, drop_last=drop_last)

    def val_dataloader(self) -> DataLoader:
        return loader(self.valid, self.batch_size, self.num_workers)
