"""The LightningDataModule that serves crops of rows."""

from collections.abc import Sized
from typing import Any, cast

from torch.utils.data import DataLoader, Dataset

from digits.data.contract import checked
from digits.data.foreign import Augmentation, adapted
from digits.data.loading import SplitOpener, batch_count, worker_settings
from digits.data.order import SeededDataset
from digits.data.resumable import ResumableData
from digits.recognition.crops import CropOptions
from digits.recognition.data import RowCrops, RowJitter, collate


class RowsDataModule(ResumableData):
    """Serves the crops of one source's splits: train with jitter, valid with exact extents.

    Args:
        open_split: `train` or `valid` to a data set.
        options: margins and stretch of crops.
        jitter: of the extents in training.
        augmentation: of crops in training, which keep their size; see
            `digits.data.foreign.adapted`.
        batch_size: crops per batch and process.
        num_workers: loading processes per loader; `None` takes half the cores, 1 to 8.
        seed: of the order of training crops and of what is drawn for each.
    """

    train: RowCrops
    valid: RowCrops

    def __init__(
        self,
        open_split: SplitOpener,
        options: CropOptions | None = None,
        jitter: RowJitter | None = None,
        augmentation: Augmentation | None = None,
        batch_size: int = 64,
        num_workers: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        self.open_split, self.options = open_split, options or CropOptions()
        self.jitter = jitter or RowJitter()
        self.augmentation = augmentation and adapted(augmentation)
        self.batch_size, self.num_workers = batch_size, num_workers

    def setup(self, stage: str) -> None:
        """Open train and valid, once."""
        if not hasattr(self, "valid"):
            train, valid = (checked(self.open_split(split)) for split in ("train", "valid"))
            self.train = RowCrops(train, self.options, self.jitter, self.augmentation)
            self.valid = RowCrops(valid, self.options)

    def train_dataloader(self) -> DataLoader[Any]:
        batches = self.epoch_batches(self.train, self.batch_size)
        return self._loader(SeededDataset(self.train), batch_sampler=batches)

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.valid, batch_size=self.batch_size)

    def _loader(self, data: Dataset[Any], **kwargs: Any) -> DataLoader[Any]:
        settings = worker_settings(self.num_workers, batch_count(cast(Sized, data), **kwargs))
        return DataLoader(data, collate_fn=collate, **settings, **kwargs)
