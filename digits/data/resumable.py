"""A data module whose position in the training is stored in checkpoints."""

from collections.abc import Callable, Sized
from typing import Any

import lightning as L

from digits.data.order import EpochBatches, EpochSampler, mixed_seed


class ResumableData(L.LightningDataModule):
    """A data module whose place in the training is part of the run's checkpoints.

    Args:
        seed: of order and draws.
    """

    train: Sized
    valid: Sized

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self._epoch, self._batches = 0, 0

    def state_dict(self) -> dict[str, int]:
        """The epoch to go on with, and how many of its batches are done."""
        assert self.trainer is not None
        loop = self.trainer.fit_loop
        epoch: Any = loop.epoch_progress.current
        begun = epoch.ready > epoch.processed
        done = loop.epoch_loop.batch_progress.current.ready if begun else 0
        return {"epoch": epoch.processed, "batches": done}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on where the checkpoint was written."""
        self._epoch, self._batches = state_dict["epoch"], state_dict["batches"]

    def epoch_batches(
        self, data: Sized, batch_size: int, size: Callable[[int], tuple[int, int]] | None = None
    ) -> EpochBatches:
        """The batches of the epochs from here on; arguments as of `EpochBatches`."""
        # A last batch of one photo makes poor batch statistics; tiny sets keep what they have.
        drop_last = len(data) >= batch_size
        epoch, self._epoch = self._epoch, 0
        skip, self._batches = self._batches, 0
        rank = self.trainer.global_rank if self.trainer else 0
        sampler = EpochSampler(data, self.seed, epoch)
        seed = mixed_seed(self.seed, rank)
        return EpochBatches(sampler, batch_size, drop_last, size, seed=seed, epoch=epoch, skip=skip)
