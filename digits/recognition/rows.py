"""Row hypotheses: the few sets of boxes in a photo that may be its number."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from digits.geometry import by_score, overlaps, reading_order, suppress
from digits.recognition.crops import Row, row_of

MAX_ROWS = 6
_MAX_BOXES = 200  # surest boxes that are looked at, however many there are
MAX_DIGITS = 10  # places that may be digits: 1,023 sets of them
_MIN_RELATIVE_SCORE = 0.003  # a box's score over the photo's best
_NMS_IOU = 0.4
_SAME_PLACE = 0.5  # intersection over union above which two boxes are readings of one place
# How far the digits of one number differ, in spreads.
_HEIGHTS, _LINE = 0.18, 0.12  # of log(height), and of the distance to the line in heights
_COVERED = 0.6  # share of a box in another above which both can hardly be digits
_APART = 0.15  # intersection over union below which two boxes may be two digits
_MAX_BEHIND = 2.0  # nats behind the most plausible set that a set may be
_CLASH = 4.0  # nats that such a pair costs
_HOLE = 1.5  # nats that a digit like the others costs, left out between them


@dataclass(frozen=True)
class Hypothesis:
    """A set of boxes that may be the number.

    Attributes:
        indices: into the detections, in reading order, int64 `(K,)`.
        boxes: of its digits, in reading order, `(K + M, 4)`; M of them were not detected.
        row: where they lie.
        weight: log of how plausible it is, relative to the photo's other hypotheses.
    """

    indices: np.ndarray
    boxes: np.ndarray
    row: Row
    weight: float


def hypotheses(detections: Mapping[str, Any]) -> list[Hypothesis]:
    """The most plausible rows of a photo, those of different extents.

    The work is bounded: 200 boxes, ten places, 1,023 sets, whatever a detector emits.

    Args:
        detections: `boxes` `(N, 4)`, `scores` `(N,)`, `labels` `(N,)` of one photo.

    Returns:
        The most plausible first; none only where there are no boxes.
    """
    boxes = np.asarray(detections["boxes"], dtype=np.float64).reshape(-1, 4)
    scores = np.asarray(detections["scores"], dtype=np.float64)
    labels = np.asarray(detections["labels"], dtype=np.int64)
    likely = by_score(boxes, scores, labels)[:_MAX_BOXES]
    likely = likely[scores[likely] >= _MIN_RELATIVE_SCORE * scores.max(initial=0)]
    if not len(likely):
        return []
    boxes, scores = boxes[likely], scores[likely]
    iou = overlaps(boxes, boxes)
    kept = suppress(np.arange(len(likely)), iou, _NMS_IOU)[:MAX_DIGITS]
    places = kept[reading_order(boxes[kept])]
    chances = _chances(iou[places], scores, labels[likely])
    sets = _sets(len(places))
    weights = _weights(sets, boxes[places], chances)
    return _different(sets, weights, likely[places], boxes[places])


def _chances(iou: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Probability `(K,)` that a place holds any digit, from the best score of every class there."""
    missing = np.ones(len(iou))
    for label in np.unique(labels):
        best = np.where((iou > _SAME_PLACE) & (labels == label), scores, 0).max(axis=1)
        missing *= 1 - best
    return (1 - missing).clip(0.003, 0.99)


def _sets(count: int) -> np.ndarray:
    """All sets of at least one of `count` places, bool `(S, count)`."""
    numbers = np.arange(1, 2**count)
    sets: np.ndarray = (numbers[:, None] >> np.arange(count)) & 1 == 1
    return sets


def _weights(sets: np.ndarray, boxes: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Log of how plausible each set is, `(S,)`: its digits are there, alike, and in line."""
    odds = np.log(chances / (1 - chances))
    weight: np.ndarray = sets @ odds
    count = sets.sum(axis=1)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
    heights = np.log(sides[:, 1])
    x, y = (boxes[:, :2] + boxes[:, 2:]).T / 2

    def moment(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Sum over each set of the product of two departures from its means."""
        total: np.ndarray = sets @ (first * second) - (sets @ first) * (sets @ second) / count
        return total

    usual = np.exp(sets @ heights / count)
    across, mixed = np.maximum(moment(x, x), 0), moment(x, y)
    apart = np.maximum(moment(y, y) - mixed**2 / (across + 0.05 * usual**2), 0) / usual**2
    uneven = np.maximum(moment(heights, heights), 0)
    # As Student's t: what departs far from a row departs for reasons of its own.
    weight -= 2 * np.log1p(uneven / _HEIGHTS**2 / 4) + 2 * np.log1p(apart / _LINE**2 / 4)
    iou, area = overlaps(boxes, boxes), sides.prod(axis=1)[:, None]
    share = iou * (area + area.T) / (1 + iou) / area
    clash = np.triu(np.maximum(share, share.T) > _COVERED, 1).astype(float)
    weight -= _CLASH * ((sets @ clash) * sets).sum(axis=1)
    inside = (
        np.maximum.accumulate(sets, axis=1) & np.maximum.accumulate(sets[:, ::-1], axis=1)[:, ::-1]
    )
    alike = np.abs(heights - np.log(usual)[:, None]) < 0.25
    beside = sets @ (iou > _APART).astype(float) == 0
    weight -= _HOLE * (inside & ~sets & alike & beside).sum(axis=1)
    return weight


def _different(
    sets: np.ndarray, weights: np.ndarray, indices: np.ndarray, boxes: np.ndarray
) -> list[Hypothesis]:
    """The best set of each pair of ends, the best first."""
    found: dict[tuple[int, int], Hypothesis] = {}
    near = weights >= weights.max() - _MAX_BEHIND
    for number in np.argsort(-weights, kind="stable")[: near.sum()]:
        chosen = np.flatnonzero(sets[number])
        ends = int(chosen[0]), int(chosen[-1])
        if ends not in found:
            own = boxes[chosen]
            found[ends] = Hypothesis(indices[chosen], own, row_of(own), float(weights[number]))
        if len(found) >= MAX_ROWS:
            break
    return list(found.values())
