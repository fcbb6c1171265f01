from typing import Any

import made
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.geometry import reading_order
from digits.reading import CascadeReader, ThresholdReader

quick = settings(max_examples=60, deadline=None)
# Distinct scores: of two equally sure boxes either may win.
rows = st.lists(
    st.tuples(
        st.integers(0, 200), st.integers(0, 60), st.integers(1, 30), st.integers(1, 40),
        st.integers(1, 10),
    ),
    max_size=8,
    unique_by=lambda row: row[0],
)  # fmt: skip
order = st.randoms(use_true_random=False)


def row(*digits: tuple[int, int, float]) -> Any:
    """Digits as (left edge, digit, score)."""
    truth = made.row(1, *((digit, x) for x, digit, _ in digits))
    return made.exact(truth, scores=torch.tensor([score for *_, score in digits]))


@pytest.mark.parametrize(
    ("detections", "number"),
    [
        (row((30, 2, 0.9), (10, 1, 0.8), (50, 3, 0.7)), "123"),
        (row((10, 0, 0.9), (30, 0, 0.8), (50, 7, 0.7)), "007"),
        (row((10, 1, 0.9), (30, 2, 0.49)), "1"),
        (row((10, 1, 0.5)), "1"),  # at the threshold
        (row((10, 1, 0.1), (30, 2, 0.2)), "2"),  # all below: the best box
        (row((10, 1, 0.0)), "1"),
        (row((10, 3, 0.8), (11, 8, 0.9)), "8"),  # two classes on one digit
        (row((10, 3, 0.8), (15, 8, 0.9)), "38"),  # IoU 1 / 3: neighbours
        (row((10, 4, 0.9), (10, 4, 0.8)), "4"),
        (row(), "-1"),
    ],
)
def test_numbers(detections: dict[str, Any], number: str) -> None:
    assert ThresholdReader(0.5, 0.4)(detections) == number


def detections(drawn: list[tuple[int, int, int, int, int]]) -> Any:
    boxes = [[x, y, x + w, y + h] for x, y, w, h, _ in drawn]
    scores = [(i + 1) / (len(drawn) + 1) for i in range(len(drawn))]
    return made.detections(boxes, scores, [r[4] for r in drawn])


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([[20, 0, 30, 20], [0, 0, 10, 20]], [1, 0]),
        ([[0, 60, 10, 80], [9, 40, 19, 60], [18, 20, 28, 40], [27, 0, 37, 20]], [0, 1, 2, 3]),
        ([[0, 0, 10, 20], [9, 20, 19, 40], [18, 40, 28, 60]], [0, 1, 2]),  # falling steeply
        ([[3, 30, 13, 50], [5, 5, 15, 25]], [1, 0]),  # stacked
        ([[0, 30, 10, 50], [11, 31, 21, 51], [2, 5, 12, 25], [13, 6, 23, 26]], [2, 3, 0, 1]),
        ([[5, 60, 15, 80], [5, 0, 15, 20], [6, 30, 16, 50]], [1, 2, 0]),
        ([], []),
    ],
)
def test_reading_order(boxes: list[Any], expected: list[int]) -> None:
    ordered = reading_order(np.array(boxes, dtype=float).reshape(-1, 4))
    assert ordered.tolist() == expected


def test_the_cascade_takes_the_highest_threshold_that_any_box_reaches() -> None:
    reader = CascadeReader((0.8, 0.6, 0.3))
    assert reader(row((10, 1, 0.9), (30, 2, 0.7), (50, 3, 0.85))) == "13"
    assert reader(row((10, 1, 0.7), (30, 2, 0.65), (50, 3, 0.4))) == "12"
    assert reader(row((10, 1, 0.3), (30, 2, 0.29))) == "1"  # at the threshold
    assert reader(row((10, 1, 0.1), (30, 2, 0.2))) == "2"  # the best box
    assert reader(row()) == "-1"


def test_thresholds_that_do_not_fall_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`score_thresholds` to fall, as in .* got \[0.3, 0.6\]"):
        CascadeReader((0.3, 0.6))


def test_a_rule_is_as_sure_as_its_weakest_digit() -> None:
    reading = ThresholdReader().read(row((10, 1, 0.9), (30, 2, 0.75)))
    assert reading.confidence == pytest.approx(0.75) and reading.runner_up == ""
    assert ThresholdReader().read(row()).confidence == 0


@quick
@given(drawn=rows, random=order)
def test_the_order_of_detections_does_not_matter(drawn: list[Any], random: Any) -> None:
    before = detections(drawn)
    shuffled = list(range(len(drawn)))
    random.shuffle(shuffled)
    after = {key: value[shuffled] for key, value in before.items()}
    assert ThresholdReader()(after) == ThresholdReader()(before)


@quick
@given(drawn=rows, threshold=st.floats(0, 1), nms=st.floats(0, 1))
def test_a_number_has_a_digit_wherever_there_is_a_box(
    drawn: list[Any], threshold: float, nms: float
) -> None:
    before = detections(drawn)
    reader = ThresholdReader(threshold, nms)
    number, kept = reader(before), reader.read(before).indices
    assert (number == "-1") == (not drawn)
    if drawn:
        assert number.isdecimal() and len(number) == len(kept)
        assert number == "".join(str(int(before["labels"][k]) - 1) for k in kept)
        assert len(kept) == 1 or before["scores"][kept].min() >= threshold


@quick
@given(drawn=rows.filter(bool), label=st.integers(1, 10))
def test_a_second_less_sure_class_on_a_digit_changes_nothing(drawn: list[Any], label: int) -> None:
    before = detections(drawn)
    doubled = made.detections(
        before["boxes"].tolist() * 2,
        before["scores"].tolist() + [s * 0.99 for s in before["scores"].tolist()],
        before["labels"].tolist() + [label] * len(drawn),
    )
    reader = ThresholdReader(0.0, 0.4)
    assert reader(doubled) == reader(before)


@quick
@given(drawn=rows, low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_higher_threshold_never_reads_more(drawn: list[Any], low: float, high: float) -> None:
    low, high = sorted((low, high))
    before = detections(drawn)
    few, many = (set(ThresholdReader(t).read(before).indices.tolist()) for t in (high, low))
    assert few <= many
