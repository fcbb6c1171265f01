"""Stop a training after its step on Ctrl-C or SIGTERM, and save it."""

import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from digits.console import console
from digits.outputs import LAST

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Stopped(SystemExit):
    """The run was asked to stop; the exit code is the shell's for the signal, 130 or 143."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class Interruption(Callback):
    """Ends a run that is told to stop.

    As a context it holds the signals from the start of a run to its end; as a callback it stops a
    training after the step that it is in, with everything in last.ckpt. A second signal stops at
    once, and what was saved before stays.

    Args:
        folder: of the run.
        go_on: the command that goes on with it.
    """

    def __init__(self, folder: Path, go_on: str) -> None:
        self.folder, self.go_on = folder, go_on
        self._received: int | None = None
        self._training = self._validating = self._saved = False
        self._kept = ""

    def __enter__(self) -> "Interruption":
        self._before = {number: signal.getsignal(number) for number in _NAMES}
        self._hold()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._before.items():
                signal.signal(number, handler)
        if isinstance(error, Stopped) and self._received is not None:
            self._say()

    def _hold(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in _NAMES:
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        again, self._received = self._received is not None, number
        if again or not self._training:
            raise Stopped(number)
        part = "this validation and the saving of its epoch" if self._validating else "this step"
        console.print(f"{_NAMES[signal.Signals(number)]}: stopping after {part}; again: at once.")

    def _say(self) -> None:
        last = self.folder / LAST
        what = f"Kept: {last}{self._kept}. Go on: {self.go_on}"
        what = what if last.is_file() else "Nothing was saved yet."
        name = _NAMES[signal.Signals(self._received or signal.SIGTERM)]
        console.print(f"Stopped by {name}. {what}")

    def _stops(self, trainer: L.Trainer) -> bool:
        mine = self._received is not None
        if trainer.world_size == 1:
            return mine
        # Signals reach processes at different steps; they must stop after the same one.
        return bool(trainer.strategy.reduce_boolean_decision(mine, all=False))

    def _stop(self) -> None:
        self._received = self._received or signal.SIGTERM
        raise Stopped(self._received)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._training = True
        self._hold()  # Lightning has put a handler of its own in place

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.current_epoch:
            self._kept = f", of the end of epoch {trainer.current_epoch}"
        if self._stops(trainer):
            self._stop()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        done = batch_idx + 1
        if done % trainer.accumulate_grad_batches or not self._stops(trainer):
            return
        # Lightning can't go on between an epoch's last step and the validation that follows it.
        validation = trainer.val_check_batch and done % trainer.val_check_batch == 0
        if trainer.is_last_batch or validation or trainer.should_stop:
            return
        trainer.save_checkpoint(self.folder / LAST)
        self._kept = f", of epoch {trainer.current_epoch + 1}, step {trainer.global_step}"
        self._saved = True

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._saved:  # and the step has been logged meanwhile
            self._stop()

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._validating = True

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._validating = False

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._training = False
        self._kept = ", trained to the end; its scores are still missing"
        if self._stops(trainer):
            self._stop()
