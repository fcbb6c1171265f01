"""Callbacks that show the progress of a training: a line per epoch, pictures in TensorBoard."""

import time
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from digits.console import console
from digits.evaluation.pictures import Picture, draw_sheet
from digits.training.module import DigitDetector
from digits.types import target_number

_SHOWN = ("val/map", "val/number_accuracy")


class EpochLine(Callback):
    """Prints one line after each validation: it stays in a log, where progress bars do not."""

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._start = time.monotonic()
        self._photos = 0

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
        self._photos += count * trainer.world_size
        self._seconds = time.monotonic() - self._start

    @rank_zero_only
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.sanity_checking or not getattr(self, "_photos", 0):
            return
        scores = trainer.callback_metrics
        loss = float(scores.get("train/loss", float("nan")))
        console.print(
            f"epoch {trainer.current_epoch + 1}: loss {loss:.3f}, "
            + "".join(f"{key} {float(scores[key]):.3f}, " for key in _SHOWN if key in scores)
            + f"{self._photos / self._seconds:.0f} photos/s"
        )


class ReadingPictures(Callback):
    """Shows some validation photos with what is read in them, in TensorBoard.

    Args:
        photos: how many, from the first batches.
    """

    def __init__(self, photos: int = 24) -> None:
        self.photos = photos
        self._pictures: list[Picture] = []

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._pictures = []

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        assert isinstance(pl_module, DigitDetector)
        if len(self._pictures) >= self.photos or not trainer.is_global_zero:
            return
        for photo, target, detections in zip(*batch, outputs["detections"], strict=True):
            reading = pl_module.reader.read(detections)
            self._pictures.append(Picture.of(photo, detections, reading, target_number(target)))

    @rank_zero_only
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger) and self._pictures:
                sheet = np.asarray(draw_sheet(self._pictures[: self.photos]))
                logger.experiment.add_image(
                    "val/readings", sheet, trainer.global_step, dataformats="HWC"
                )
