"""Rows of digits that are turned far: what a detector misses of them is read all the same."""

import math
from dataclasses import replace

import numpy as np
import pytest

from digits.recognition.crops import Row
from digits.recognition.growing import grown
from digits.recognition.rows import Hypothesis, hypotheses


def number(count: int, degrees: float) -> np.ndarray:
    """Boxes of digits on a line that is turned about the middle of the photo."""
    along = 12.0 * (np.arange(count) - (count - 1) / 2)
    angle = math.radians(degrees)
    x, y = 100 + along * math.cos(angle), 100 + along * math.sin(angle)
    return np.stack([x - 7, y - 8, x + 7, y + 8], axis=1)


def rows(boxes: np.ndarray) -> list[Hypothesis]:
    labels = np.arange(1, len(boxes) + 1)
    return hypotheses({"boxes": boxes, "scores": np.full(len(boxes), 0.9), "labels": labels})


class Text:
    """A perfect reader of a row of digits: it says as many as have their middle in the crop."""

    def __init__(self, boxes: np.ndarray, log_probability: float = -0.01) -> None:
        self.middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        self.log_probability = log_probability

    def __call__(self, places: list[tuple[int, Row]]) -> list[tuple[str, float]]:
        return [(self.read(row), self.log_probability) for _, row in places]

    def read(self, row: Row) -> str:
        along = np.array([math.cos(row.angle), math.sin(row.angle)])
        place = (self.middles - [row.x, row.y]) @ along
        return "".join(str(i) for i in np.flatnonzero(np.abs(place) < row.length / 2))


@pytest.mark.parametrize("degrees", [-40, -20, 20, 40])
@pytest.mark.parametrize("seen", [slice(0, 2), slice(1, 3), slice(2, 4)])
def test_a_steep_row_grows_to_the_whole_number(degrees: float, seen: slice) -> None:
    boxes = number(4, degrees)
    text = Text(boxes)
    (first, *_), *_ = grown([rows(boxes[seen])], text)
    assert text.read(first.row) == "0123"
    assert len(first.boxes) == 4 and len(first.indices) == 2
    assert np.abs(first.boxes - boxes).max() < 6  # in reading order, about where the digits are


def test_a_row_that_grew_is_more_plausible_than_its_parts() -> None:
    boxes = number(4, 30)
    before = rows(boxes[:2])
    (first, *others), *_ = grown([before], Text(boxes))
    assert first.weight > before[0].weight + 2
    assert [one.weight for one in others] == [one.weight for one in before[1:]]


@pytest.mark.parametrize(("degrees", "log_probability"), [(5, -0.01), (30, -1.0)])
def test_level_rows_and_unsure_texts_change_nothing(degrees: float, log_probability: float) -> None:
    boxes = number(4, degrees)
    before = rows(boxes[:2])
    (after,) = grown([before], Text(boxes, log_probability))
    assert [len(one.boxes) for one in after] == [len(one.boxes) for one in before]


def test_the_row_that_grew_comes_first_and_level_photos_are_not_asked_about() -> None:
    boxes = number(4, 30)
    less, more = rows(boxes[:2])[0], rows(boxes[2:])[0]
    (photo,) = grown(
        [[replace(more, indices=more.indices[:1]), replace(less, weight=-1.0)]], Text(boxes)
    )
    assert [len(one.boxes) for one in photo] == [4, 2]

    def never(places: list[tuple[int, Row]]) -> list[tuple[str, float]]:
        raise AssertionError(places)

    grown([rows(number(3, 5)), []], never)


def test_it_ends_whatever_is_read() -> None:
    asked = 0

    def endless(places: list[tuple[int, Row]]) -> list[tuple[str, float]]:
        nonlocal asked
        asked += 1
        return [("1" * (asked + 2), -0.01) for _ in places]

    (first, *_), *_ = grown([rows(number(2, 30))[:1]], endless)
    assert asked == 4 and len(first.boxes) == 6
