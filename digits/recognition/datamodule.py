"""The LightningDataModule that serves crops of rows."""

from typing import Any

import lightning as L
from torch.utils.data import DataLoader

from digits.data.loading import SplitOpener, worker_count
from digits.recognition.crops import CropOptions
from digits.recognition.data import Augment, RowCrops, RowJitter, collate


class RowsDataModule(L.LightningDataModule):
    """Serves the crops of one source's splits: train with jitter, valid with exact extents.

    Args:
        open_split: `train` or `valid` to a data set.
        options: margins and stretch of crops.
        jitter: of the extents in training.
        augmentation: of a crop's pixels in training, `(crop, {"boxes"}) -> (crop, ...)`.
        batch_size: crops per batch and process.
        num_workers: loading processes per loader; `None` takes half the cores, 1 to 8.
    """

    def __init__(
        self,
        open_split: SplitOpener,
        options: CropOptions | None = None,
        jitter: RowJitter | None = None,
        augmentation: Augment | None = None,
        batch_size: int = 64,
        num_workers: int | None = None,
    ) -> None:
        super().__init__()
        self.open_split, self.options = open_split, options or CropOptions()
        self.jitter, self.augmentation = jitter or RowJitter(), augmentation
        self.batch_size, self.num_workers = batch_size, worker_count(num_workers)

    def setup(self, stage: str) -> None:
        """Open train and valid, once."""
        if not hasattr(self, "valid"):
            photos = self.open_split("train")
            self.train = RowCrops(photos, self.options, self.jitter, self.augmentation)
            self.valid = RowCrops(self.open_split("valid"), self.options)

    def train_dataloader(self) -> DataLoader[Any]:
        drop_last = len(self.train) >= self.batch_size
        return self._loader(self.train, shuffle=True, drop_last=drop_last)

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.valid)

    def _loader(self, data: RowCrops, **kwargs: Any) -> DataLoader[Any]:
        return DataLoader(
            data,
            self.batch_size,
            num_workers=self.num_workers,
            collate_fn=collate,
            persistent_workers=self.num_workers > 0,
            **kwargs,
        )
