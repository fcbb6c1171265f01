"""Random streams per epoch, which a resumed run continues."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from digits.data.order import mixed_seed


class EpochStreams(Callback):
    """Gives each epoch a random stream of its own, which follows from the seed.

    A checkpoint at an epoch's end needs no more; one within an epoch holds the stream's state.

    Args:
        seed: of all epochs.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._stored: dict[str, Any] = {}

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        torch.manual_seed(mixed_seed(self.seed, trainer.current_epoch, trainer.global_rank))

    def state_dict(self) -> dict[str, Any]:
        gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return {"cpu": torch.get_rng_state(), "gpus": gpus}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._stored = state_dict

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not self._stored:
            return
        torch.set_rng_state(self._stored["cpu"])
        if len(self._stored["gpus"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(self._stored["gpus"])
