"""One network's training steps and inference, timed per photo."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.figures import seconds
from digits.models.rcnn import DigitRCNN
from digits.types import Target

Photo = tuple[Tensor, Target]
Work = Callable[[int], float]


class TimedNetwork:
    """A detector with an optimizer.

    Args:
        model: torchvision's contract.
        device: where it runs.
        bf16: under bfloat16 autocast.
    """

    def __init__(self, model: nn.Module, device: torch.device, bf16: bool = False) -> None:
        self.model, self.device, self.bf16 = model.to(device), device, bf16
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.momentum = None  # plain means: fit for inference from the first step on

    def training(self, batches: Sequence[Sequence[Photo]]) -> Work:
        """A batch's number to the milliseconds per photo of a step on it, AdamW's included."""

        def step(photos: list[Tensor], targets: list[Any]) -> None:
            self.optimizer.zero_grad()
            with self._autocast():
                loss = sum(self.model(photos, targets).values())
            loss.backward()
            self.optimizer.step()

        return lambda number: self._milliseconds(step, batches[number], training=True)

    def inference(self, batches: Sequence[Sequence[Photo]]) -> Work:
        """A batch's number to the milliseconds per photo of detection."""

        @torch.inference_mode()
        def detect(photos: list[Tensor], targets: list[Any]) -> None:
            with self._autocast():
                self.model(photos)

        return lambda number: self._milliseconds(detect, batches[number], training=False)

    def multiply_adds(self, batches: Sequence[Sequence[Photo]], training: bool) -> Work:
        """A batch's number to the multiply-adds per photo of its convolutions and matrix products,
        those of the backward pass included in training."""

        def counted(number: int) -> float:
            photos, targets = map(list, zip(*batches[number], strict=True))
            self.model.train(training)
            with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(training):
                found = self.model(photos, targets) if training else self.model(photos)
                if training:
                    sum(found.values()).backward()
            return float(counter.get_total_flops()) / 2 / len(photos)

        return counted

    def _milliseconds(
        self, work: Callable[..., None], batch: Sequence[Photo], *, training: bool
    ) -> float:
        def whole() -> None:
            # Ours sends a batch to its device in one piece.
            device = torch.device("cpu") if isinstance(self.model, DigitRCNN) else self.device
            photos = [photo.to(device) for photo, _ in batch]
            targets = [
                {key: target[key].to(device) for key in ("boxes", "labels")} for _, target in batch
            ]
            work(photos, targets)

        self.model.train(training)
        return 1000 * seconds(whole) / len(batch)

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)
