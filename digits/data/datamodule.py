"""The LightningDataModule: splits, augmentation, batches."""

from collections.abc import Callable, Iterator

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, Dataset, RandomSampler, Sampler

from digits.data.loading import Item, PhotoLoader, SplitOpener, loader
from digits.types import PhotoDataset, Target

Augmentation = Callable[[Tensor, Target], Item]


class Augmented(Dataset[Item]):
    """A data set whose photos and targets are augmented when they are taken."""

    def __init__(self, data: PhotoDataset, augmentation: Augmentation) -> None:
        self.data = data
        self.augmentation = augmentation

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Item:
        return self.augmentation(*self.data[index])


class SimilarShapes(BatchSampler):
    """Batches of photos of similar width / height, since a batch is padded to its largest.

    Photos are drawn by `sampler`; each pool of `pool` batches is sorted by shape and cut into
    batches, which are shuffled.

    Args:
        sampler: of indices; Lightning puts its own in its place for several processes.
        batch_size: photos per batch.
        drop_last: whether an incomplete last batch is left out.
        size: index to `(height, width)`.
        pool: batches that are sorted together; more means less padding and less mixing.
    """

    def __init__(
        self,
        sampler: Sampler[int],
        batch_size: int,
        drop_last: bool,
        size: Callable[[int], tuple[int, int]],
        pool: int = 16,
    ) -> None:
        super().__init__(sampler, batch_size, drop_last)
        self.size = size
        self.pool = pool

    def __iter__(self) -> Iterator[list[int]]:
        pool: list[list[int]] = []
        for batch in super().__iter__():
            pool.append(batch)
            if len(pool) == self.pool:
                yield from self._sorted(pool)
                pool = []
        yield from self._sorted(pool)

    def _sorted(self, pool: list[list[int]]) -> Iterator[list[int]]:
        shapes = {i: self.size(i) for batch in pool for i in batch}
        indices = sorted(shapes, key=lambda i: shapes[i][1] / shapes[i][0])
        batches = [
            indices[i : i + self.batch_size] for i in range(0, len(indices), self.batch_size)
        ]
        for position in torch.randperm(len(batches)).tolist():
            yield batches[position]


class DigitsDataModule(L.LightningDataModule):
    """Serves the splits of one source.

    Args:
        open_split: `train`, `valid` or `test` to a data set.
        augmentation: `(photo, target)` to the same, for training only.
        batch_size: photos per batch and process.
        num_workers: loading processes per loader; 0 loads in the main process, `None` takes
            half the cores, 1 to 8.
    """

    train: PhotoDataset
    valid: PhotoDataset

    def __init__(
        self,
        open_split: SplitOpener,
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

    def train_dataloader(self) -> PhotoLoader:
        data = self.train if self.augmentation is None else Augmented(self.train, self.augmentation)
        # A last batch of one photo makes poor batch statistics; tiny sets keep what they have.
        drop_last = len(data) >= self.batch_size
        sampler = RandomSampler(data)
        batches = SimilarShapes(sampler, self.batch_size, drop_last, self.train.size)
        return loader(data, self.num_workers, batch_sampler=batches)

    def val_dataloader(self) -> PhotoLoader:
        return loader(self.valid, self.num_workers, batch_size=self.batch_size)
