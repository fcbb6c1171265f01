"""The recogniser that ships, on drawn photos: what it reads, and what it depends on."""

from pathlib import Path
from typing import Any

import made
import pytest
import torch

from digits import resources
from digits.data.synthetic import SyntheticDigits
from digits.errors import DigitsError
from digits.recognition.checkpoint import load_recognizer, open_recognizers
from digits.recognition.recognizer import Recognizer
from digits.types import Detections, target_number

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return load_recognizer(resources.RECOGNIZER)


def detected(target: Any) -> Detections:
    """The true digits, and one that is not there."""
    boxes, labels = target["boxes"], target["labels"]
    width = boxes[:1, 2:3] - boxes[:1, :1]
    extra = boxes[-1:] + torch.cat([width, width * 0, width, width * 0], 1)
    scores = [0.9] * len(labels) + [0.3]
    return made.detections(torch.cat([boxes, extra]), scores, torch.cat([labels, labels[-1:]]))


@pytest.fixture(scope="module")
def photos() -> list[Any]:
    data = SyntheticDigits(24, seed=5)
    return [data[i] for i in range(24)]


def test_it_reads_most_drawn_numbers(recognizer: Recognizer, photos: list[Any]) -> None:
    read = recognizer.read([p for p, _ in photos], [detected(t) for _, t in photos])
    best = [max(rows[0]["texts"].items(), key=lambda item: item[1])[0] for rows in read]
    right = sum(text == target_number(t) for text, (_, t) in zip(best, photos, strict=True))
    assert right >= 12  # some are blurred beyond reading
    proposed = [
        any(target_number(target) in row["texts"] for row in rows)
        for rows, (_, target) in zip(read, photos, strict=True)
    ]
    assert sum(proposed) > right
    for rows in read:
        assert 1 <= len(rows) <= 6
        assert sum(torch.tensor([row["weight"] for row in rows]).exp()) == pytest.approx(1)
        assert all(-12 <= value <= 0.01 for row in rows for value in row["texts"].values())


def test_weights_that_give_no_numbers_are_refused(photos: list[Any]) -> None:
    broken = load_recognizer(resources.RECOGNIZER)
    for values in broken.network.buffers():
        values.fill_(-1)  # variances below 0
    (photo, target), *_ = photos
    with pytest.raises(DigitsError, match="recogniser gives is not finite"):
        broken.read([photo], [detected(target)])


def test_what_is_read_depends_on_the_photo_alone(recognizer: Recognizer, photos: list[Any]) -> None:
    together = recognizer.read([p for p, _ in photos], [detected(t) for _, t in photos])
    for index in (0, 7, 23):
        photo, target = photos[index]
        (alone,) = recognizer.read([photo], [detected(target)])
        assert [row["boxes"] for row in alone] == [row["boxes"] for row in together[index]]
        for one, other in zip(alone, together[index], strict=True):
            assert one["texts"] == pytest.approx(other["texts"], abs=2e-3)


def test_which_recognisers_a_setting_means() -> None:
    fitted, other = {"texts": {}}, {"weights": []}
    assert open_recognizers(None, [fitted], CPU) == []
    assert len(open_recognizers("shipped", [None], CPU)) == 1
    assert len(open_recognizers("auto", [fitted, fitted], CPU)) == 1
    assert open_recognizers("auto", [fitted, other], CPU) == []
    assert open_recognizers("auto", [], CPU) == open_recognizers("auto", [None], CPU) == []
    path = str(resources.RECOGNIZER)
    assert len(open_recognizers([path, "shipped"], [], CPU)) == 2


@pytest.mark.parametrize("content", [None, b"", b"no recogniser", "detector"])
def test_a_bad_file_gives_one_line(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "a.ckpt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path = resources.located("small")
    with pytest.raises(DigitsError) as caught:
        load_recognizer(path)
    assert str(caught.value).startswith(f"recognizer={path}: ") and "\n" not in str(caught.value)
