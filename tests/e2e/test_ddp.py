"""Two processes train and score as one does."""

from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn

from digits.data.datamodule import DigitsDataModule
from digits.data.loading import loader
from digits.data.synthetic import SyntheticDigits
from digits.reading import ThresholdReader
from digits.training.module import DigitDetector
from digits.training.schedules import constant

PHOTOS = 5


class Oracle(nn.Module):
    """Knows the photos' digits and misses some, so that each photo's figures differ."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        data = SyntheticDigits(PHOTOS, seed=4)
        self.known = {int(photo.sum()): (k, target) for k, (photo, target) in enumerate(data)}

    def forward(self, photos: list[Tensor]) -> list[dict[str, Tensor]]:
        return [self.detect(*self.known[int(photo.sum())]) for photo in photos]

    def detect(self, k: int, target: dict[str, Any]) -> dict[str, Tensor]:
        labels = target["labels"].clone()
        if k in (0, 3):
            labels[0] = labels[0] % 10 + 1  # misread
        keep = slice(1, None) if k == 4 else slice(None)  # missed: the repeated photo is 0
        boxes = target["boxes"] + 0.5 * k
        scores = torch.linspace(0.95, 0.6, len(labels)) - 0.02 * k
        return {"boxes": boxes[keep], "labels": labels[keep], "scores": scores[keep]}


def validate(**kwargs: Any) -> dict[str, float]:
    module = DigitDetector(Oracle(), torch.optim.AdamW, constant, ThresholdReader())
    trainer = L.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, **kwargs,
    )  # fmt: skip
    data = loader(SyntheticDigits(PHOTOS, seed=4), batch_size=2, num_workers=0)
    (figures,) = trainer.validate(module, data, verbose=False)
    return dict(figures)


@pytest.mark.slow
def test_two_processes_give_the_values_of_one() -> None:
    alone = validate(devices=1)
    together = validate(devices=2, strategy="ddp_spawn")
    assert together == alone
    # Figures that a photo counted twice, or dropped, would change.
    assert alone["val/number_accuracy"] == pytest.approx(2 / PHOTOS)
    assert 0 < alone["val/map"] < 1 and 0 < alone["val/digit_error_rate"] < 1


class Mean(nn.Module):
    """Learns the mean brightness of the photos it sees: its weight tells which those were."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, photos: list[Tensor], targets: Any) -> dict[str, Tensor]:
        seen = torch.stack([photo.float().mean() / 255 for photo in photos])
        return {"distance": (self.weight - seen).square().mean() / 2}


def open_split(split: str) -> SyntheticDigits:
    return SyntheticDigits(16, seed=4)


def train(root: Path, batch_size: int, **kwargs: Any) -> float:
    module = DigitDetector(Mean(), partial(torch.optim.SGD, lr=0.5), constant, ThresholdReader())
    data = DigitsDataModule(open_split, None, batch_size, num_workers=0)
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=2, limit_val_batches=0, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=root, **kwargs,
    )  # fmt: skip
    trainer.fit(module, data)
    return float(module.model.weight.detach())  # of the first process: Lightning brings it back


@pytest.mark.slow
def test_two_processes_train_as_one_does_on_the_same_global_batch(tmp_path: Path) -> None:
    alone = train(tmp_path, 16, devices=1)
    together = train(tmp_path, 8, devices=2, strategy="ddp_spawn")
    # Two steps towards the mean of all photos, each photo once in each: 1/2, then 3/4 of the way.
    photos = [photo.float().mean() / 255 for photo, _ in open_split("train")]
    mean = float(torch.stack(photos).mean())
    assert alone == pytest.approx(0.75 * mean, rel=1e-5)
    assert together == pytest.approx(alone, rel=1e-5)
