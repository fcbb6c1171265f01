"""The LightningModule: training and validation steps, metrics, optimizer."""

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Timer
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from digits.checkpoint import KEY
from digits.errors import DigitsError
from digits.evaluation.evaluator import Evaluator
from digits.reading import Reader
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
        description: plain data that makes the checkpoint self-sufficient (`digits.checkpoint`).
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Callable[..., torch.optim.Optimizer],
        schedule: Callable[[float, int], float],
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

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        photos, targets = batch
        losses = self.model(photos, targets)
        loss: Tensor = sum(losses.values())
        if not torch.isfinite(loss):
            parts = ", ".join(f"{name} {float(value):.3g}" for name, value in losses.items())
            raise DigitsError(
                f"The loss is not finite at step {self.global_step} ({parts}); "
                "lower optimizer.lr or set trainer.gradient_clip_val=1."
            )
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

    def progress(self) -> float:
        """Share of the budget that is spent, in [0, 1]: steps or time, whichever is further."""
        trainer = self.trainer
        total = trainer.estimated_stepping_batches
        shares = [trainer.global_step / total if 0 < total < float("inf") else 0.0]
        for timer in (c for c in trainer.callbacks if isinstance(c, Timer)):  # type: ignore[attr-defined]
            left = timer.time_remaining()
            if left is not None:
                elapsed = timer.time_elapsed()
                shares.append(elapsed / max(elapsed + left, 1e-9))
        # Clocks differ between processes, learning rates must not.
        spent: float = trainer.strategy.broadcast(min(1.0, max(shares)))
        return spent

    def configure_optimizers(self) -> Any:
        features: list[nn.Parameter] = []
        rest: list[nn.Parameter] = []
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                (features if name.startswith("backbone.") else rest).append(parameter)
        try:
            optimizer = self.optimizer_factory([{"params": features}, {"params": rest}])
            self.schedule(0.0, 0)
        except (TypeError, ValueError) as error:
            raise DigitsError(
                f"optimizer or scheduler: {error}; see conf/optimizer and conf/scheduler for the "
                "arguments of each."
            ) from error
        optimizer.param_groups[0]["lr"] *= self.backbone_lr_factor
        scheduler = LambdaLR(
            optimizer, lambda _: self.schedule(self.progress(), self.trainer.current_epoch)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        metrics = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        checkpoint[KEY] = self.description | {"metrics": metrics}
