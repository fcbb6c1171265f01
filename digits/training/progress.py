"""Show the progress of a training: a bar in a terminal, and a line per epoch."""

import time
from datetime import datetime, timedelta
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback, Timer
from lightning.pytorch.utilities import rank_zero_only
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from digits.console import console

_SHOWN_SCORES = {"val/map": "mAP", "val/number_accuracy": "number accuracy"}


def budget(max_epochs: int | None, seconds: float | None, max_steps: int = -1) -> str:
    """What ends a training: epochs, steps, or the clock; and when that is."""
    limits = [] if max_epochs in (None, -1) else [f"{max_epochs} epoch{'s' * (max_epochs != 1)}"]
    limits += [] if max_steps == -1 else [f"{max_steps} steps"]
    epochs = " or ".join(limits)
    if seconds is None:
        return epochs or "none: end it by Ctrl-C"
    end = f"{timedelta(seconds=round(seconds))}, until {_clock(seconds)}"
    return f"{epochs} or {end}" if epochs else end


def _clock(seconds: float) -> str:
    return f"{datetime.now() + timedelta(seconds=max(seconds, 0)):%H:%M:%S}"


def _ending(trainer: L.Trainer) -> str:
    """When the clock ends the training, where it does."""
    timers = [one for one in trainer.callbacks if isinstance(one, Timer)]  # type: ignore[attr-defined]
    left = timers[0].time_remaining() if timers else None
    return "" if left is None else f" until {_clock(left)}"


def epoch_name(trainer: L.Trainer) -> str:
    """Such as `epoch 3 of 30`; where the clock ends the training, `epoch 3`."""
    of = "" if trainer.max_epochs in (None, -1) else f" of {trainer.max_epochs}"
    return f"epoch {trainer.current_epoch + 1}{of}"


class _Epoch(Callback):
    """Photos, seconds and mean loss of the epoch so far; a checkpoint within an epoch has them."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self.photos, self.steps, self.seconds = 0, 0, 0.0
        self._losses: Tensor | float = 0.0  # their sum, on the device: reading it waits for a GPU
        self._start = time.monotonic()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._reset()

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if not self.steps:
            self._start = time.monotonic()
        self._show_step(trainer, batch_idx)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        # A detector's batch is a tuple of photos and targets, a recogniser's a list of groups.
        count = len(batch[0]) if isinstance(batch, tuple) else sum(len(t) for _, t in batch)
        # Lightning divides a step's loss by the steps whose gradients are added up.
        self._losses = self._losses + outputs["loss"].detach() * trainer.accumulate_grad_batches
        self.photos, self.steps = self.photos + count * trainer.world_size, self.steps + 1
        self.seconds = time.monotonic() - self._start
        self._show_step(trainer, batch_idx + 1)

    def _show_step(self, trainer: L.Trainer, done: int) -> None:
        """Called as each step begins and ends; so many of the epoch are done."""

    def state_dict(self) -> dict[str, Any]:
        return {"sums": [self.photos, self.steps, self.seconds, float(self._losses)]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.photos, self.steps, self.seconds, self._losses = state_dict["sums"]
        self._start = time.monotonic() - self.seconds

    @property
    def loss(self) -> float:
        """Mean of the steps so far."""
        return float(self._losses) / self.steps if self.steps else 0.0

    @property
    def rate(self) -> float:
        """Photos per second."""
        return self.photos / self.seconds if self.seconds else 0.0


class EpochLine(_Epoch):
    """Prints one line after each validation: it stays in a log, where progress bars do not.

    Logs the mean loss of each epoch as well, of all its steps where a stop lies between them.
    """

    @rank_zero_only
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.sanity_checking or not self.steps:
            return
        scores = trainer.callback_metrics
        shown = [
            f"{title} {float(scores[name]):.3f}"
            for name, title in _SHOWN_SCORES.items()
            if name in scores
        ]
        parts = [f"loss {self.loss:.3f}", *([f"valid {', '.join(shown)}"] if shown else [])]
        console.print(f"{epoch_name(trainer)}: {'; '.join([*parts, f'{self.rate:.0f} photos/s'])}")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        pl_module.log("train/loss_epoch", self.loss)


class LiveBar(_Epoch):
    """A bar of the steps of an epoch and of its validation, in a terminal only."""

    _bar: Progress | None = None

    def _show(self, trainer: L.Trainer, part: str, total: float, done: int) -> None:
        if self._bar is None and console.is_terminal and trainer.is_global_zero:
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"), TimeRemainingColumn(compact=True),
                console=console, transient=True, expand=True,
            )  # fmt: skip
            self._bar.start()
        if self._bar is None:
            return
        if not self._bar.task_ids or self._bar.tasks[0].description != part:
            for task in self._bar.task_ids:
                self._bar.remove_task(task)
            self._bar.add_task(part, total=total, completed=done, note="")
        note = f"loss {self.loss:.3f} {self.rate:.0f} photos/s" if self.steps else ""
        note += _ending(trainer)
        self._bar.update(self._bar.task_ids[0], completed=done, note=note)

    def _show_step(self, trainer: L.Trainer, done: int) -> None:
        self._show(trainer, epoch_name(trainer), trainer.num_training_batches, done)

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        total = sum(trainer.num_val_batches)
        self._show(trainer, f"{epoch_name(trainer)}, valid", total, batch_idx + 1)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._hide()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        self._hide()

    def _hide(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
