"""The LightningModule of the detector: steps, metrics, optimizer."""

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from digits.checkpoint_file import KEY
from digits.evaluation.evaluator import Evaluator
from digits.reading import Reader
from digits.training.optimization import OptimizerFactory, Schedule, configure, not_finite
from digits.types import Detections, Target

Batch = tuple[list[Tensor], list[Target]]


class DigitDetector(L.LightningModule):
    """Trains a torchvision detector and scores it on both tasks, boxes and numbers.

    Args:
        model: takes photos and targets in training, photos in evaluation (`build_detector`).
        optimizer: parameter groups to an optimizer.
        schedule: `(progress, epoch)` to a factor on the learning rate
            (`digits.training.schedules`).
        reader: detections to a number, for the validation metrics. A calibrated reader is not
            fitted yet, so it reads by its threshold: a curve should not move by refitting.
        backbone_lr_factor: factor on the learning rate of the feature extractor; pretrained
            features want less than a new head.
        map_backend: of `digits.evaluation.evaluator.Evaluator`.
        description: plain data that makes the checkpoint self-sufficient
            (`digits.checkpoint_file.describe`).
    """

    metrics = (
        "val/map", "val/map_50", "val/map_75", "val/number_accuracy", "val/digit_error_rate"
    )  # fmt: skip

    def __init__(
        self,
        model: nn.Module,
        optimizer: OptimizerFactory,
        schedule: Schedule,
        reader: Reader,
        backbone_lr_factor: float = 1.0,
        map_backend: str = "faster_coco_eval",
        description: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.optimizer_factory = optimizer
        self.schedule = schedule
        self.backbone_lr_factor = backbone_lr_factor
        self.description = description or {}
        self.reader = reader
        self.evaluator = Evaluator(reader, map_backend)

    def forward(self, photos: list[Tensor]) -> list[Detections]:
        """Photos `(3, H, W)` to detections, in evaluation mode."""
        detections: list[Detections] = self.model(photos)
        return detections

    def transfer_batch_to_device(self, batch: Batch, *_: object) -> Batch:
        """The same: the detector sends the photos of a batch to its device in one piece."""
        return batch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        photos, targets = batch
        losses = self.model(photos, targets)
        loss: Tensor = sum(losses.values())
        if not torch.isfinite(loss):
            parts = ", ".join(f"{name} {value.item():.3g}" for name, value in losses.items())
            ids = ", ".join(str(target["image_id"]) for target in targets)
            raise not_finite(self.global_step, f"{parts}; image ids {ids}")
        values = {f"train/{name}": value.detach() for name, value in losses.items()}
        self.log_dict(values, batch_size=len(photos))
        self.log("train/loss", loss.detach(), prog_bar=True, batch_size=len(photos))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        photos, targets = batch
        detections = self(photos)
        self.evaluator.update(detections, targets)
        return {"detections": detections}

    def on_validation_epoch_start(self) -> None:
        self.evaluator.reset()

    def on_validation_epoch_end(self) -> None:
        self.evaluator.gather()
        scores = self.evaluator.compute()
        shown = {"map", "number_accuracy"}
        for name, value in scores.items():
            self.log(f"val/{name}", value, prog_bar=name in shown, rank_zero_only=False)

    def configure_optimizers(self) -> Any:
        groups: dict[str, list[nn.Parameter]] = {"backbone": [], "head": []}
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                groups["backbone" if name.startswith("backbone.") else "head"].append(parameter)
        factors = (self.backbone_lr_factor, 1.0)
        return configure(self, self.optimizer_factory, self.schedule, groups, factors)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        metrics = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        checkpoint[KEY] = self.description | {"metrics": metrics}
