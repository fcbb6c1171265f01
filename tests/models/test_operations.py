"""What a photo costs in operations of torch, which on a GPU are launches."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.operations import operations
from benchmarks.settings import build, train_config
from digits import checkpoint, resources
from digits.data.coco import CocoDigits
from digits.data.synthetic import SyntheticDigits

COUNT, MOST = 32, 68  # photos of a batch; operations of each


@pytest.fixture(scope="module")
def shipped() -> nn.Module:
    """The shipped detector as on a GPU: photos of several sizes together."""
    model = checkpoint.rebuild(checkpoint.load(resources.located("small"))).eval()
    model.together = True
    return model


def per_photo(model: nn.Module, photos: list[Tensor]) -> float:
    with torch.inference_mode():
        return operations(lambda: model(photos)) / len(photos)


def test_evaluation_of_photos_of_one_size(shipped: nn.Module) -> None:
    photo, _ = SyntheticDigits(1)[0]
    assert per_photo(shipped, [photo] * COUNT) <= MOST


def test_evaluation_of_real_photos(shipped: nn.Module, real_data: Path) -> None:
    data = CocoDigits(real_data / "valid", real_data / "valid.json")
    photos = [data[i][0] for i in range(2 * COUNT)]
    for some in (photos[:COUNT], photos[COUNT:]):
        assert per_photo(shipped, some) <= MOST


def test_a_training_step_of_the_cpu_default() -> None:
    model = build(train_config("model.box_batch_size_per_image=16")["model"]).train()
    photos, targets = map(
        list, zip(*(SyntheticDigits(COUNT)[i] for i in range(COUNT)), strict=True)
    )

    def step() -> None:
        model.zero_grad()
        sum(model(photos, targets).values()).backward()

    assert operations(step) / COUNT <= MOST
