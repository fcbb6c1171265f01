"""What a photo costs in operations of torch, which on a GPU are launches."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.operations import operations
from benchmarks.settings import build, train_config
from digits import checkpoint, resources
from digits.data.coco import CocoDigits
from digits.data.synthetic import SyntheticDigits
from digits.models import suppression

COUNT = 32  # photos of a batch
MOST = 60  # operations of each


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    """With one, torch takes a detour of five calls around oneDNN in 1 x 1 convolutions."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """The shipped detector as on a GPU: photos of several sizes together, and their groups of
    boxes, however large."""
    monkeypatch.setattr(suppression, "_MAX_DENSE", 10**6)
    model = checkpoint.load(resources.located("small")).rebuild()
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
    batches = [[data[i][0] for i in range(k, k + COUNT)] for k in (0, 2 * COUNT)]
    passes: list[int] = []
    shipped.backbone.register_forward_hook(lambda *_: passes.append(len(passes)))
    # The photos; then the windows of small digits and the photos to be searched, however shaped.
    for some in batches:  # the model looks at none of these photos a third time
        passes.clear()
        with torch.inference_mode():
            shipped(some)
        assert len(passes) == 2 and per_photo(shipped, some) <= MOST


def test_a_training_step_of_the_cpu_default() -> None:
    model = build(train_config("model.box_batch_size_per_image=16")["model"]).train()
    photos, targets = map(
        list, zip(*(SyntheticDigits(COUNT)[i] for i in range(COUNT)), strict=True)
    )

    def step() -> None:
        model.zero_grad()
        sum(model(photos, targets).values()).backward()

    assert operations(step) / COUNT <= MOST
