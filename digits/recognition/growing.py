"""Steep rows get longer: digits that are turned far escape a detector, not the recogniser."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from digits.recognition.crops import Row
from digits.recognition.rows import MAX_DIGITS, Hypothesis

_STEEP = math.radians(15)
_ROUNDS = 4  # digits that are added at most
_SURE = math.log(0.8)  # log-probability of the longer text

Best = Callable[[Sequence[tuple[int, Row]]], list[tuple[str, float]]]
"""Rows, each in a photo, to the most probable text of each and its log-probability."""


def grown(rows: Sequence[Sequence[Hypothesis]], best: Best) -> list[list[Hypothesis]]:
    """Lengthen steep rows of two or more digits at either end, while one more is read there.

    Args:
        rows: of each photo.
        best: reads rows.

    Returns:
        The rows of each photo, the most plausible first; a row that grew has a box per digit that
        was added.
    """
    found = [list(here) for here in rows]
    steep = [
        (photo, index)
        for photo, here in enumerate(found)
        for index, one in enumerate(here)
        if len(one.indices) > 1 and abs(one.row.angle) > _STEEP
    ]
    for _ in range(_ROUNDS):
        steep = [(p, i) for p, i in steep if len(found[p][i].boxes) < MAX_DIGITS]
        if not steep:
            break
        asked = [(p, i, _longer(found[p][i], side)) for p, i in steep for side in (-1, 1)]
        read = best([(p, one.row) for p, _, one in asked])
        sure = [
            (value, p, i, replace(one, weight=one.weight + _log_odds(value)))
            for (p, i, one), (text, value) in zip(asked, read, strict=True)
            if len(text) == len(one.boxes) and value > _SURE
        ]
        for _, p, i, one in sorted(sure, key=lambda item: item[0]):  # the surer end comes last
            found[p][i] = one
        steep = sorted({(p, i) for _, p, i, _ in sure})
    return [sorted(here, key=lambda one: -one.weight) for here in found]


def _log_odds(log_probability: float) -> float:
    """What a digit adds to its row's weight, by its text as others do by the detector's score."""
    return log_probability - math.log(max(-math.expm1(log_probability), 0.01))


def _longer(row: Hypothesis, side: int) -> Hypothesis:
    """The row with room for one more digit, on its left (-1) or its right (1)."""
    pitch = row.row.length / len(row.boxes)
    step = pitch * np.array([math.cos(row.row.angle), math.sin(row.row.angle)]) * side
    x, y = np.array([row.row.x, row.row.y]) + step / 2
    place = replace(row.row, x=float(x), y=float(y), length=row.row.length + pitch)
    added = row.boxes[[0 if side < 0 else -1]] + np.tile(step, 2)
    boxes = [added, row.boxes] if side < 0 else [row.boxes, added]
    return replace(row, row=place, boxes=np.concatenate(boxes))
