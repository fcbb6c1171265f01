"""The second pass: which window, what becomes of its boxes, and that numbers gain by it."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from digits import checkpoint, resources
from digits.data.distant import Distant
from digits.data.synthetic import SyntheticDigits
from digits.errors import DigitsError
from digits.models.detector import build_detector
from digits.models.small import small_fpn
from digits.models.zoom import Zoom, combine
from digits.types import target_number

ZOOM = Zoom()


def found(*rows: tuple[float, ...]) -> dict[str, Tensor]:
    """Detections of x1, y1, x2, y2, score, label."""
    table = torch.tensor(rows).reshape(-1, 6)
    return {"boxes": table[:, :4], "scores": table[:, 4], "labels": table[:, 5].long()}


boxes = st.tuples(
    st.floats(0, 250), st.floats(0, 150), st.floats(2, 60), st.floats(2, 60), st.floats(0, 1)
)


@given(st.lists(boxes, min_size=1, max_size=8))
def test_the_window_holds_every_sure_digit_and_is_worth_it(rows: list[tuple[float, ...]]) -> None:
    height, width = 200, 300
    seen = found(*[(x, y, min(x + w, width), min(y + h, height), s, 1) for x, y, w, h, s in rows])
    window = ZOOM.window(seen["boxes"], seen["scores"], height, width)
    sure = seen["boxes"][seen["scores"] >= ZOOM.min_score]
    if window is None:
        return
    x1, y1, x2, y2 = window
    assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
    assert min(x2 - x1, y2 - y1) * ZOOM.gain < height
    assert (sure[:, 0] >= x1).all() and (sure[:, 1] >= y1).all()
    assert (sure[:, 2] <= x2).all() and (sure[:, 3] <= y2).all()


def test_only_small_digits_are_looked_at_again() -> None:
    def window(*rows: tuple[float, ...]) -> object:
        seen = found(*rows)
        return ZOOM.window(seen["boxes"], seen["scores"], 100, 200)

    assert window((90, 40, 100, 60, 0.9, 1), (102, 40, 112, 60, 0.9, 2)) == (83, 33, 120, 68)
    assert window((60, 10, 100, 90, 0.9, 1)) is None  # large already
    assert window((90, 40, 100, 60, 0.2, 1)) is None  # not sure
    assert window() is None
    assert window((2, 1, 12, 21, 0.9, 1)) == (0, 0, 25, 29)  # at a corner


def test_boxes_come_from_the_look_that_saw_them_best() -> None:
    first = found((90, 40, 100, 60, 0.9, 1), (10, 10, 20, 30, 0.2, 5), (95, 45, 99, 60, 0.1, 7))
    closer = found((8, 9, 18, 28, 0.99, 2), (0, 0, 5, 5, 0.01, 3))
    both = combine(first, closer, (82, 32, 120, 68), limit=30)
    assert both["labels"].tolist() == [2, 5, 3]
    assert both["boxes"][0].tolist() == [90, 41, 100, 60]
    assert both["scores"].tolist() == pytest.approx([0.99, 0.2, 0.01])
    assert combine(first, closer, (82, 32, 120, 68), limit=1)["labels"].tolist() == [2]
    nothing = combine(first, found(), (82, 32, 120, 68), limit=30)
    assert nothing["labels"].tolist() == [5]


@pytest.mark.parametrize(
    "wrong",
    [
        {"gain": 1.0}, {"min_score": 0}, {"margin": -1}, {"zoom": 2}, {"search": [4, 2]},
        {"search": [1]},
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(DigitsError, match=f"model: .*{next(iter(wrong))}"):
        build_detector(small_fpn(), min_size=64, max_size=176, zoom=wrong)


@pytest.mark.parametrize(
    ("shape", "looks"),
    [((300, 400), [64, 128, 256]), ((150, 200), [64, 128]), ((120, 180), [64])],
)
def test_a_photo_without_digits_is_searched_as_closely_as_its_pixels_allow(
    shape: tuple[int, int], looks: list[int]
) -> None:
    zoom = {"min_score": 0.999}  # more than an untrained network is sure of
    model = build_detector(small_fpn(), min_size=64, max_size=176, zoom=zoom).eval()
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[2]))
    with torch.inference_mode():
        model([torch.zeros(3, *shape, dtype=torch.uint8)])
    assert seen == looks
    assert model.transform.min_size == [64] and model.transform.max_size == 176


def test_training_looks_once() -> None:
    model = build_detector(small_fpn(), min_size=64, max_size=176, zoom={"min_score": 0.01})
    losses = model.train()(*zip(*[SyntheticDigits(2)[i] for i in range(2)], strict=True))
    assert set(losses) >= {"loss_classifier", "loss_box_reg"}


@torch.inference_mode()
def right(zoom: dict[str, Any] | None, count: int, share: tuple[float, float]) -> int:
    """How many numbers the shipped model reads, of `count` whose digits take `share`."""
    loaded = checkpoint.load(resources.located("small"))
    reader, model = checkpoint.rebuild_reader(loaded), checkpoint.rebuild(loaded, {"zoom": zoom})
    photos, targets = zip(*Distant(SyntheticDigits(count, seed=9), share=share), strict=True)
    read = [reader(model([photo])[0]) for photo in photos]
    return sum(r == target_number(t) for r, t in zip(read, targets, strict=True))


@pytest.mark.slow
def test_more_numbers_are_read_from_afar() -> None:
    far = 80, (0.1, 0.2)
    assert right({"search": []}, *far) > 1.3 * right(None, *far)


@pytest.mark.slow
def test_numbers_too_small_for_the_first_look_are_found() -> None:
    far = 40, (0.04, 0.08)
    assert right({"search": [2, 4]}, *far) > 2 * right({"search": []}, *far) + 5
