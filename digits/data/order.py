"""The order of training photos and their random draws, as functions of seed and epoch alone.

So a run that was stopped goes on as an undisturbed one, with any number of loading processes.
"""

import random
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import BatchSampler, Dataset, Sampler


class SeededIndex(NamedTuple):
    """The position of an item, and the seed of its random draws in this epoch."""

    position: int
    seed: int


def mixed_seed(*numbers: int) -> int:
    """One seed of 63 bits of several numbers, each at least 0."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


@contextmanager
def random_stream(seed: int) -> Iterator[None]:
    """Seed all CPU random generators within the block, and restore them after it.

    Those of torch, and of `random` and `numpy.random`, which augmentations of others may draw from.
    """
    # Lightning's isolate_rng leaves the seeded states behind where the block raises.
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  # what others draw from
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])  # noqa: NPY002


class SeededDataset(Dataset[Any]):
    """A data set whose items, random as they may be, follow from their index and its seed.

    Args:
        data: by index.
        augmentation: of its items.
    """

    def __init__(self, data: Any, augmentation: Callable[..., Any] | None = None) -> None:
        self.data = data
        self.augmentation = augmentation

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, at: SeededIndex) -> Any:
        with random_stream(at.seed):
            item = self.data[at.position]
            return self.augmentation(*item) if self.augmentation else item


class EpochSampler(Sampler[int]):
    """A permutation of the indices that follows from the seed and the epoch.

    Args:
        data: how many there are.
        seed: of all epochs.
        epoch: the first; Lightning sets those that follow.
    """

    def __init__(self, data: Sized, seed: int = 0, epoch: int = 0) -> None:
        self.data, self.seed, self.epoch = data, seed, epoch

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[int]:
        rng = torch.Generator().manual_seed(mixed_seed(self.seed, self.epoch))
        yield from torch.randperm(len(self.data), generator=rng).tolist()

    def set_epoch(self, epoch: int) -> None:
        """The epoch that the next iteration is of."""
        self.epoch = epoch


class EpochBatches(BatchSampler):
    """Batches of `SeededIndex`.

    Where sizes are known, of photos of similar width / height, since a batch is padded to its
    largest: each pool of batches is sorted by shape and cut into batches, which are shuffled.

    Args:
        sampler: of indices; Lightning puts its own in its place for several processes.
        batch_size: photos per batch.
        drop_last: whether an incomplete last batch is left out.
        size: index to `(height, width)`.
        pool: batches that are sorted together; more means less padding and less mixing.
        seed: of shuffling and draws.
        epoch: the first that is asked for.
        skip: batches of the first epoch that have been trained on already.
    """

    def __init__(
        self,
        sampler: Sampler[int],
        batch_size: int,
        drop_last: bool,
        size: Callable[[int], tuple[int, int]] | None = None,
        pool: int = 16,
        seed: int = 0,
        epoch: int = 0,
        skip: int = 0,
    ) -> None:
        super().__init__(sampler, batch_size, drop_last)
        self.size, self.pool = size, pool
        self.seed, self.epoch, self.skip = seed, epoch, skip

    def __iter__(self) -> Iterator[list[SeededIndex]]:  # type: ignore[override]
        # Lightning sets the epoch of the first iteration of a resumed run too late for it.
        epoch = max(self.epoch, getattr(self.sampler, "epoch", 0))
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)
        rng = torch.Generator().manual_seed(mixed_seed(self.seed, epoch, 1))
        skip, self.skip = self.skip, 0
        for number, batch in enumerate(self._batches(rng)):
            seeds = torch.randint(2**62, (len(batch),), generator=rng).tolist()
            if number >= skip:
                yield list(map(SeededIndex, batch, seeds))

    def _batches(self, rng: torch.Generator) -> Iterator[list[int]]:
        pool: list[list[int]] = []
        for batch in super().__iter__():
            pool.append(batch)
            if len(pool) == self.pool:
                yield from self._sorted(pool, rng)
                pool = []
        yield from self._sorted(pool, rng)

    def _sorted(self, pool: list[list[int]], rng: torch.Generator) -> list[list[int]]:
        if self.size is None:
            return pool
        shapes = {i: self.size(i) for batch in pool for i in batch}
        indices = sorted(shapes, key=lambda i: shapes[i][1] / shapes[i][0])
        starts = range(0, len(indices), self.batch_size)
        batches = [indices[start : start + self.batch_size] for start in starts]
        return [batches[n] for n in torch.randperm(len(batches), generator=rng).tolist()]
