"""Decide which numbers are accepted without review: they must look unlike bare walls.

A calibrated confidence is the probability that a number is right where there is one; a wall with a
window like a 0 was in no valid photo. So the detector's score counts as well, and a lone digit
counts less.
"""

import math
from collections.abc import Sequence

import numpy as np

from digits.reading.base import Reader
from digits.types import NO_NUMBER, Detections, Reading, Target, target_number

KEPT = 0.95  # share of the right numbers that are accepted
_CONFIDENCE_WEIGHT = 0.5  # weight of the confidence's log odds beside those of the score
# A digit alone is less plausible by that: nearly all that is read on walls is a 0 or a 1.
_LONE_DIGIT = 0.5
_MIN_PROBABILITY = 1e-6  # of a probability
_UNFITTED_CONFIDENCE = 0.5  # confidence that is accepted where nothing is fitted
# And where something is, at least this: of a model that was hardly trained the right numbers are
# right by chance. Of those that ship it costs no right number on valid; 0.5 would cost 1 %.
_FITTED_CONFIDENCE = 0.2


def plausibility(reading: Reading, detections: Detections) -> float:
    """How plausible it is that a photo shows this number, as log odds up to a constant.

    The weights are those of logistic regressions on valid and on walls, rounded: much the same for
    each detector, unlike the constant (docs/decisions.md).
    """
    if reading.number == NO_NUMBER:
        return -math.inf
    scores = detections["scores"][reading.indices if len(reading.indices) else slice(1)]
    both = _CONFIDENCE_WEIGHT * _log_odds(reading.confidence) + _log_odds(float(scores.max()))
    return both - _LONE_DIGIT * (len(reading.number) == 1)


def with_acceptance(
    reader: Reader,
    readings: Sequence[Reading],
    records: Sequence[Detections],
    targets: Sequence[Target],
) -> Reader:
    """The fitted reader with the plausibility that `KEPT` of its right numbers reach.

    Args:
        reader: fitted to these photos; one that was not is returned as it is.
        readings: of the photos, each by a reader that was fitted to others
            (`digits.reading.crossfit`): of its own photos a reader is surer than of new ones.
        records: detections of the photos.
        targets: their true digits.
    """
    if reader.state is None:
        return reader
    right = [
        plausibility(reading, record)
        for reading, record, target in zip(readings, records, targets, strict=True)
        if target_number(target) and reading.matches(target_number(target))
    ]
    if not right:
        return reader
    least = float(np.quantile(right, 1 - KEPT, method="lower"))
    return reader.load_state(reader.state | {"accept": math.floor(1000 * least) / 1000})


def accepts(
    reader: Reader, reading: Reading, detections: Detections, least: float | None = None
) -> bool:
    """Whether a number is sure enough to be used without a look.

    Args:
        reader: of the number.
        reading: the number.
        detections: that it was read from.
        least: confidence to ask for, instead of what was fitted.
    """
    if reading.number == NO_NUMBER:
        return False
    fitted = (reader.state or {}).get("accept")
    if least is None and fitted is not None:
        plausible = plausibility(reading, detections) >= float(fitted)
        return plausible and reading.confidence >= _FITTED_CONFIDENCE
    return reading.confidence >= (_UNFITTED_CONFIDENCE if least is None else least)


def _log_odds(probability: float) -> float:
    inside = min(max(probability, _MIN_PROBABILITY), 1 - _MIN_PROBABILITY)
    return math.log(inside / (1 - inside))
