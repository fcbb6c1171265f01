"""The LightningDataModule: splits, augmentation, batches."""

import os
import warnings

from digits.data.contract import checked
from digits.data.foreign import Augmentation, adapted
from digits.data.loading import PhotoLoader, SplitOpener, loader
from digits.data.order import SeededDataset
from digits.data.resumable import ResumableData
from digits.types import PhotoDataset


class DigitsDataModule(ResumableData):
    """Serves the splits of one source.

    Args:
        open_split: `train`, `valid` or `test` to a data set.
        augmentation: for training only; see `digits.data.foreign.adapted`.
        batch_size: photos per batch and process.
        num_workers: loading processes per loader; 0 loads in the main process, `None` takes
            half the cores, 1 to 8.
        seed: of the order of training photos and of what is drawn for each.
    """

    train: PhotoDataset
    valid: PhotoDataset

    def __init__(
        self,
        open_split: SplitOpener,
        augmentation: Augmentation | None = None,
        batch_size: int = 16,
        num_workers: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        self.open_split = open_split
        self.augmentation = augmentation and adapted(augmentation)
        self.batch_size = batch_size
        self.num_workers = num_workers

    def setup(self, stage: str) -> None:
        """Open train and valid, once."""
        if not hasattr(self, "valid"):
            self.train = checked(self.open_split("train"))
            self.valid = checked(self.open_split("valid"))
            _tell_of_common_photos(self.train, self.valid)

    def train_dataloader(self) -> PhotoLoader:
        batches = self.epoch_batches(self.train, self.batch_size, self.train.size)
        drawn = SeededDataset(self.train, self.augmentation)
        return loader(drawn, self.num_workers, batch_sampler=batches)

    def val_dataloader(self) -> PhotoLoader:
        return loader(self.valid, self.num_workers, batch_size=self.batch_size)


def _tell_of_common_photos(train: PhotoDataset, valid: PhotoDataset) -> None:
    common = {*map(str, train.paths)} & {*map(str, valid.paths)}
    if common and not int(os.environ.get("LOCAL_RANK", 0)):
        warnings.warn(
            f"{len(common)} of the {len(valid)} photos of valid are photos of train as well (the "
            f"first is {min(common)}): scores say little of photos that are new.",
            stacklevel=3,
        )
