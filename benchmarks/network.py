"""One network's training steps and inference, timed per photo."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.figures import seconds
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

    def _milliseconds(
        self, work: Callable[..., None], batch: Sequence[Photo], *, training: bool
    ) -> float:
        def whole() -> None:
            photos = [photo.to(self.device) for photo, _ in batch]
            targets = [
                {key: target[key].to(self.device) for key in ("boxes", "labels")}
                for _, target in batch
            ]
            work(photos, targets)

        self.model.train(training)
        return 1000 * seconds(whole) / len(batch)

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)
