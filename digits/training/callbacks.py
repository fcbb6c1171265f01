"""A callback that shows validation photos as read in TensorBoard."""

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only

from digits.evaluation.pictures import Picture, draw_sheet
from digits.training.module import DigitDetector
from digits.training.tensorboard import add_picture
from digits.types import target_number


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
        if self._pictures:
            add_picture(trainer, "val/readings", draw_sheet(self._pictures[: self.photos]))
