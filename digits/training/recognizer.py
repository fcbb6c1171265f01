"""The LightningModule of the recogniser: steps, metrics, optimizer."""

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.functional import ctc_loss
from torchmetrics.functional.text.edit import edit_distance

from digits.checkpoint_file import KEY
from digits.recognition.ctc import best_texts, log_probabilities, to_labels
from digits.recognition.data import Group
from digits.training.optimization import OptimizerFactory, Schedule, configure, not_finite

_MIN_LOG_PROBABILITY = -20.0  # (nats) of a crop's true text, so that no label decides alone


def text_loss(logits: Tensor, texts: list[str]) -> Tensor:
    """Sum over crops of the negative log-probability of their texts.

    Args:
        logits: `(B, T, 11)`.
        texts: B strings of digits; one that does not fit into T frames counts nothing.
    """
    labels = [to_labels(text) for text in texts]
    loss: Tensor = ctc_loss(
        logits.float().log_softmax(-1).transpose(0, 1),
        torch.tensor([label for one in labels for label in one], dtype=torch.long),
        torch.full((len(texts),), logits.shape[1]),
        torch.tensor([len(one) for one in labels]),
        reduction="sum",
        zero_infinity=True,
    )
    return loss


class DigitRecognizer(L.LightningModule):
    """Trains a network that reads rows, and scores it on labelled extents.

    Metrics: `val/number_accuracy` of the most probable text, `val/digit_error_rate` (edits per
    true digit) and `val/nll` (nats per number).

    Args:
        model: crops `(B, 3, 48, W)` to logits `(B, T, 11)` (`digits.recognition.network`).
        optimizer: parameters to an optimizer.
        schedule: `(progress, epoch)` to a factor on the learning rate.
        description: plain data that makes the checkpoint self-sufficient
            (`digits.checkpoint_file.describe`).
    """

    metrics = ("val/number_accuracy", "val/digit_error_rate", "val/nll")

    def __init__(
        self,
        model: nn.Module,
        optimizer: OptimizerFactory,
        schedule: Schedule,
        description: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.model, self.optimizer_factory, self.schedule = model, optimizer, schedule
        self.description = description or {}
        self._totals = torch.zeros(5)

    def training_step(self, batch: list[Group], batch_idx: int) -> Tensor:
        count = sum(len(texts) for _, texts in batch)
        losses = [text_loss(self.model(crops), texts) for crops, texts in batch]
        loss = torch.stack(losses).sum() / count
        if not torch.isfinite(loss):
            numbers = ", ".join(text for _, texts in batch for text in texts)
            raise not_finite(self.global_step, f"numbers {numbers}")
        self.log("train/loss", loss.detach(), prog_bar=True, batch_size=count)
        return loss

    def on_validation_epoch_start(self) -> None:
        self._totals = torch.zeros(5)

    def validation_step(self, batch: list[Group], batch_idx: int) -> None:
        for crops, texts in batch:
            frames = self.model(crops).float().log_softmax(-1).cpu().numpy()
            for one, truth in zip(frames, texts, strict=True):
                text = best_texts(one, count=1)[0][0]
                value = max(float(log_probabilities(one, [truth])[0]), _MIN_LOG_PROBABILITY)
                self._totals += torch.tensor(
                    [
                        1,
                        text == truth,
                        int(edit_distance(text, truth, reduction="sum")),
                        len(truth),
                        -value,
                    ]
                )

    def on_validation_epoch_end(self) -> None:
        totals = self.trainer.strategy.reduce(self._totals.to(self.device), reduce_op="sum")
        count, right, wrong, digits, nats = totals.tolist()
        self.log("val/number_accuracy", right / max(count, 1), prog_bar=True, rank_zero_only=False)
        self.log("val/digit_error_rate", wrong / max(digits, 1), rank_zero_only=False)
        self.log("val/nll", nats / max(count, 1), prog_bar=True, rank_zero_only=False)

    def configure_optimizers(self) -> Any:
        chosen = [p for p in self.model.parameters() if p.requires_grad]
        return configure(self, self.optimizer_factory, self.schedule, {"network": chosen}, (1.0,))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        metrics = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        checkpoint[KEY] = self.description | {"metrics": metrics}
