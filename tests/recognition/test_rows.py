import itertools
import time

import numpy as np
import pytest
from made import detections

from digits.data.synthetic import SyntheticDigits
from digits.geometry import overlaps
from digits.recognition.rows import MAX_DIGITS, MAX_ROWS, hypotheses


def test_no_boxes_make_no_hypothesis() -> None:
    assert hypotheses(detections()) == []


def test_a_doubtful_end_is_in_and_out() -> None:
    boxes = np.array([[0, 0, 10, 20], [10, 0, 20, 20], [20, 0, 30, 20]], float)
    found = hypotheses(detections(boxes, np.array([0.99, 0.98, 0.4]), np.array([1, 2, 3])))
    ways = [one.indices.tolist() for one in found]
    assert ways[:2] == [[0, 1], [0, 1, 2]]
    assert found[0].row.length == pytest.approx(20) and found[1].row.length == pytest.approx(30)
    assert all(a.weight >= b.weight for a, b in itertools.pairwise(found))


def test_a_box_of_another_size_and_line_is_left_out_first() -> None:
    boxes = np.array([[0, 0, 10, 20], [10, 0, 20, 20], [25, 30, 60, 100]], float)
    found = hypotheses(detections(boxes, np.array([0.9, 0.9, 0.8]), np.array([1, 2, 3])))
    assert found[0].indices.tolist() == [0, 1]


@pytest.mark.parametrize("count", [1, 40, 2000])
def test_work_is_bounded_whatever_the_detector_emits(count: int) -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 500, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0, 60, (count, 2))], axis=1)
    one = detections(boxes, rng.uniform(0, 1, count), rng.integers(1, 11, count))
    start = time.process_time()
    found = hypotheses(one)
    assert time.process_time() - start < 1
    assert 1 <= len(found) <= MAX_ROWS
    again = hypotheses(one)
    assert [h.indices.tolist() for h in found] == [h.indices.tolist() for h in again]
    for hypothesis in found:
        assert 1 <= len(hypothesis.indices) <= MAX_DIGITS
        assert np.isfinite([hypothesis.weight, hypothesis.row.length, hypothesis.row.angle]).all()


@pytest.mark.parametrize("count", [7, MAX_DIGITS])
def test_a_long_number_is_one_row(count: int) -> None:
    left = 12.0 * np.arange(count)
    boxes = np.stack([left, 0 * left, left + 10, 0 * left + 20], axis=1)
    found = hypotheses(detections(boxes, np.full(count, 0.9), np.ones(count)))
    assert found[0].indices.tolist() == list(range(count))


def test_the_order_of_boxes_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    boxes = np.array([[10 * i, 2 * i, 10 * i + 9, 2 * i + 20] for i in range(5)], float)
    scores, labels = rng.uniform(0.1, 1, 5), np.arange(1, 6)
    order = np.array([3, 1, 4, 0, 2])
    first = hypotheses(detections(boxes, scores, labels))
    second = hypotheses(detections(boxes[order], scores[order], labels[order]))
    assert [h.indices.tolist() for h in first] == [order[h.indices].tolist() for h in second]


def test_the_true_row_is_among_them_for_drawn_photos() -> None:
    """Boxes that err a little, a doubtful digit at an end, and rivals: as a detector's."""
    rng, photos = np.random.default_rng(0), SyntheticDigits(60, seed=3)
    seen = count = 0
    for index in range(60):
        _, target = photos[index]
        truth = target["boxes"].double().numpy()
        if truth[:, 1].max() > (truth[:, 1] + truth[:, 3]).min() / 2:
            continue  # stacked: a hypothesis is one line
        height = (truth[:, 3] - truth[:, 1]).mean()
        boxes = truth + rng.normal(0, 0.04 * height, truth.shape)
        scores = rng.uniform(0.5, 1, len(boxes))
        scores[rng.choice([0, len(boxes) - 1])] = 0.25
        beside = truth[-1] + [height / 2, 0, height / 2, 0]
        rivals = boxes + rng.normal(0, 0.04 * height, truth.shape)
        found = hypotheses(
            detections(
                np.concatenate([boxes, beside[None], rivals]),
                np.concatenate([scores, [0.3], scores / 5]),
                rng.integers(1, 11, 2 * len(boxes) + 1),
            )
        )
        everything = np.concatenate([boxes, beside[None], rivals])
        count += 1
        seen += any(
            len(h.indices) == len(truth)
            and (overlaps(everything[h.indices], truth).max(axis=1) > 0.3).all()
            for h in found
        )
    assert count > 45 and seen >= 0.95 * count
