"""The second pass: which window, what becomes of its boxes, and that numbers gain by it."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from digits import checkpoint, resources
from digits.data.distant import Distant
from digits.data.synthetic import SyntheticDigits
from digits.errors import DigitsError
from digits.models.detector import build_detector
from digits.models.small import small_fpn
from digits.passes.found import Found
from digits.passes.zoom import Zoom, combine
from digits.types import target_number

ZOOM = Zoom()


def found(*photos: list[tuple[float, ...]]) -> Found:
    """Detections of photos: x1, y1, x2, y2, score, label each, the highest score first."""
    table = np.full((len(photos), max(1, *map(len, photos)), 6), -1, np.float32)
    for row, boxes in zip(table, photos, strict=True):
        row[: len(boxes)] = np.reshape(boxes, (-1, 6))
    return Found(table[..., :4], table[..., 4], table[..., 5].astype(int))


def window(*rows: tuple[float, ...], height: int = 100, width: int = 200) -> list[int] | None:
    chosen, windows = ZOOM.windows(found([*rows]), np.array([[height, width]]))
    assert len(chosen) == len(windows) <= 1
    return windows[0].tolist() if len(chosen) else None


boxes = st.tuples(
    st.floats(0, 250), st.floats(0, 150), st.floats(2, 60), st.floats(2, 60), st.floats(0, 1)
)


@given(st.lists(boxes, min_size=1, max_size=8))
def test_the_window_holds_every_sure_digit_and_is_worth_it(rows: list[tuple[float, ...]]) -> None:
    height, width = 200, 300
    seen = [(x, y, min(x + w, width), min(y + h, height), s, 1) for x, y, w, h, s in rows]
    chosen = window(*seen, height=height, width=width)
    if chosen is None:
        return
    x1, y1, x2, y2 = chosen
    assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
    assert min(x2 - x1, y2 - y1) * ZOOM.gain < height
    sure = np.float32(seen)[np.float32(seen)[:, 4] >= ZOOM.min_score]
    assert (sure[:, 0] >= x1).all() and (sure[:, 1] >= y1).all()
    assert (sure[:, 2] <= x2).all() and (sure[:, 3] <= y2).all()


@given(st.lists(st.lists(boxes, max_size=4), min_size=1, max_size=5))
def test_windows_of_many_photos_are_those_of_each(photos: list[list[tuple[float, ...]]]) -> None:
    rows = [[(x, y, x + w, y + h, s, 1) for x, y, w, h, s in photo] for photo in photos]
    shapes = np.array([[210 + i, 310 + i] for i in range(len(rows))])
    chosen, windows = ZOOM.windows(found(*rows), shapes)
    alone = {i: window(*photo, height=210 + i, width=310 + i) for i, photo in enumerate(rows)}
    together = dict(zip(chosen.tolist(), windows.tolist(), strict=True))
    assert together == {i: ends for i, ends in alone.items() if ends}


def test_only_small_digits_are_looked_at_again() -> None:
    assert window((90, 40, 100, 60, 0.9, 1), (102, 40, 112, 60, 0.9, 2)) == [83, 33, 120, 68]
    assert window((60, 10, 100, 90, 0.9, 1)) is None  # large already
    assert window((90, 40, 100, 60, 0.2, 1)) is None  # not sure
    assert window() is None
    assert window((2, 1, 12, 21, 0.9, 1)) == [0, 0, 25, 29]  # at a corner


def test_boxes_come_from_the_look_that_saw_them_best() -> None:
    first = [(90, 40, 100, 60, 0.9, 1), (10, 10, 20, 30, 0.2, 5), (95, 45, 99, 60, 0.1, 7)]
    closer = [(8, 9, 18, 28, 0.99, 2), (0, 0, 5, 5, 0.01, 3)]
    window = np.array([[82, 32, 120, 68]] * 2)
    both, nothing = combine(found(first, first), found(closer, []), window).detections()
    assert both["labels"].tolist() == [2, 5, 3]
    assert both["boxes"][0].tolist() == [90, 41, 100, 60]
    assert both["scores"].tolist() == pytest.approx([0.99, 0.2, 0.01])
    assert nothing["labels"].tolist() == [5]
    (most,) = combine(found(first[:1]), found(closer), window[:1]).detections()
    assert most["labels"].tolist() == [2]  # as many as the first pass has room for


@pytest.mark.parametrize(
    "wrong",
    [
        {"gain": 1.0}, {"min_score": 0}, {"margin": -1}, {"zoom": 2}, {"search": [4, 2]},
        {"search": [1]}, {"sure": 1.0},
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(DigitsError, match=f"model: .*{next(iter(wrong))}"):
        build_detector(small_fpn(), min_size=64, max_size=176, zoom=wrong)


@pytest.mark.parametrize(
    ("shape", "looks"), [((300, 400), [64, 128, 256]), ((150, 200), [64, 128]), ((120, 180), [64])]
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


@torch.inference_mode()
@pytest.mark.parametrize("seed", range(4))
def test_an_enlarged_photo_is_kept_where_its_best_score_rises(seed: int) -> None:
    torch.manual_seed(seed)
    photo = torch.randint(0, 256, (3, 300, 400), dtype=torch.uint8)
    model = build_detector(small_fpn(), min_size=64, max_size=176).eval()

    def best(search: list[float]) -> float:
        model.zoom = Zoom(min_score=1e-4, gain=1000, search=search)
        return float(model([photo])[0]["scores"].max())

    at = {factor: best([factor]) for factor in (2.0, 4.0)}
    assert best([2.0, 4.0]) == max(at.values()) >= min(at.values()) >= best([])
    model.zoom = Zoom(min_score=1e-4, gain=1000, sure=1e-4)
    assert float(model([photo])[0]["scores"].max()) == best([])  # sure enough already


class Eye:
    """Detects what a photo is filled with: nothing where that is 0, else a box of that score, the
    surer the more a photo is enlarged; counts its passes."""

    def __init__(self) -> None:
        self.passes: list[list[tuple[int, ...]]] = []

    def __call__(self, photos: list[np.ndarray], factors: np.ndarray) -> Found:
        assert len(photos) == len(factors)
        self.passes.append([photo.shape for photo in photos])
        return found(
            *(
                [(10, 10, 10 + p.shape[1] / 9, 40, min(1, p[0, 0, 0] / 200 * f), 1)][: p[0, 0, 0]]
                for p, f in zip(photos, factors.tolist(), strict=True)
            )
        )


filled = st.tuples(st.integers(30, 300), st.integers(30, 300), st.sampled_from([0, 20, 50, 150]))


@given(st.lists(filled, min_size=1, max_size=6))
def test_second_looks_at_many_photos_are_those_at_each(chosen: list[tuple[int, int, int]]) -> None:
    photos = [np.full((3, h, w), value, np.int64) for h, w, value in chosen]
    eye = Eye()

    def improved(some: list[np.ndarray]) -> Found:
        first = eye(some, np.ones(len(some)))
        ZOOM.improve(some, first, eye, 40)
        return first

    alone = [improved([photo]).detections()[0] for photo in photos]
    eye.passes.clear()
    for own, other in zip(alone, improved(photos).detections(), strict=True):
        for name, values in own.items():
            np.testing.assert_array_equal(values, other[name])
    # The first, one for each factor of the search, and the windows of what the last one found.
    assert len(eye.passes) <= 1 + len(ZOOM.search) + 1


def test_windows_are_looked_at_with_photos_that_are_searched() -> None:
    sure, unsure = (np.full((3, 200, 300), value, np.int64) for value in (150, 50))
    eye = Eye()
    first = eye([sure, unsure], np.ones(2))
    ZOOM.improve([sure, unsure], first, eye, 80)
    assert [len(some) for some in eye.passes] == [2, 2, 1]
    assert first.scores[:, 0].tolist() == [0.75, 0.25]


def test_training_looks_once() -> None:
    model = build_detector(small_fpn(), min_size=64, max_size=176, zoom={"min_score": 0.01})
    losses = model.train()(*zip(*[SyntheticDigits(2)[i] for i in range(2)], strict=True))
    assert set(losses) >= {"loss_classifier", "loss_box_reg"}


@torch.inference_mode()
def right(zoom: dict[str, Any] | None, count: int, share: tuple[float, float]) -> int:
    """How many numbers the shipped model reads, of `count` whose digits take `share`."""
    loaded = checkpoint.load(resources.located("small"))
    reader, model = loaded.rebuild_reader(), loaded.rebuild({"zoom": zoom})
    photos, targets = zip(*Distant(SyntheticDigits(count, seed=9), share=share), strict=True)
    read = [reader(model([photo])[0]) for photo in photos]
    return sum(r == target_number(t) for r, t in zip(read, targets, strict=True))


@pytest.mark.slow
def test_more_numbers_are_read_from_afar() -> None:
    far = 40, (0.1, 0.2)
    assert right({"search": []}, *far) > 1.3 * right(None, *far)


@pytest.mark.slow
def test_numbers_too_small_for_the_first_look_are_found() -> None:
    far = 16, (0.04, 0.08)
    assert right({"search": [2, 4]}, *far) > 2 * right({"search": []}, *far) + 5
