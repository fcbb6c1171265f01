"""Photos to detections: their order, the pixels that boxes refer to, and who shares a batch."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from made import GreyReader
from PIL import Image
from torch import Tensor

from digits.data.folder import LONGEST, PhotoFolder
from digits.errors import DigitsError
from digits.inference.detect import choose_device, detect
from digits.inference.options import InferenceOptions

TWO_AT_ONCE = InferenceOptions(torch.device("cpu"), batch_size=2, num_workers=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(10):
        size = (100, 50) if index % 2 else (50, 60)
        Image.new("RGB", size, (index + 1,) * 3).save(tmp_path / f"{index + 1}.png")
    return tmp_path


def test_detections_come_in_the_order_of_the_photos(folder: Path) -> None:
    model = GreyReader()
    found = list(detect(model, PhotoFolder(str(folder)), TWO_AT_ONCE))
    assert [record["labels"].tolist() for record, *_ in found] == [[i + 1] for i in range(10)]
    assert [record["file_name"] for record, *_ in found] == [f"{i + 1}.png" for i in range(10)]
    sizes = [len(batch) for batch in model.batches]  # the last two may go to a core each
    assert sum(sizes) == 10 and set(sizes) <= {1, 2} and len(sizes) <= 6


def test_photos_of_one_shape_share_a_batch(folder: Path) -> None:
    model = GreyReader()
    list(detect(model, PhotoFolder(str(folder)), TWO_AT_ONCE))
    mixed = [batch for batch in model.batches if len(set(batch)) > 1]
    assert len(mixed) <= 1


def test_large_photos_are_not_gathered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digits.inference.batches._BYTES", 1)
    model = GreyReader()
    found = detect(model, PhotoFolder(str(folder)), TWO_AT_ONCE)
    next(found)
    assert len(model.batches) == 1  # the first batch was detected before the second was waited for
    assert len(list(found)) == 9


def test_boxes_refer_to_the_pixels_of_the_file(tmp_path: Path) -> None:
    Image.new("RGB", (3000, 1500), (7, 7, 7)).save(tmp_path / "a.png")
    data = PhotoFolder(str(tmp_path))
    ((record, _, photo, _),) = detect(GreyReader(), data, TWO_AT_ONCE)
    assert photo.shape == (3, LONGEST // 2, LONGEST)
    assert (record["height"], record["width"]) == (1500, 3000)
    assert record["boxes"].tolist() == [[0, 0, 1500, 1500]]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_networks_run_at_the_precision_asked_for(folder: Path, precision: str) -> None:
    class Multiplying(GreyReader):
        def forward(self, photos: list[Tensor]) -> list[dict[str, Tensor]]:
            kinds.add((torch.ones(2, 2) @ torch.ones(2, 2)).dtype)
            return super().forward(photos)

    kinds: set[torch.dtype] = set()
    options = replace(TWO_AT_ONCE, precision=precision)
    assert len(list(detect(Multiplying(), PhotoFolder(str(folder)), options))) == 10
    assert kinds == {torch.bfloat16 if precision == "bf16-mixed" else torch.float32}


@pytest.mark.parametrize("name", ["gpu", "cpu:x", "meta", "0"])
def test_a_device_that_is_none_is_a_short_line(name: str) -> None:
    with pytest.raises(DigitsError, match=f"device={name}: ") as error:
        choose_device(name)
    assert len(str(error.value)) < 150 and "auto" in str(error.value)
