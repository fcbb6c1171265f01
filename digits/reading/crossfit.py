"""Honest figures of whatever was fitted: each photo is read by a reader that never saw it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from digits.reading.base import Reader
from digits.types import Reading
from digits.reading.fit import digest, folds_of

FOLDS = 10


def cross_fit(
    reader: Reader,
    records: Sequence[dict[str, Any]],
    targets: Sequence[dict[str, Any]],
    folds: int = FOLDS,
) -> list[Reading]:
    """Readings of all photos, each by the reader fitted to the other folds."""
    fold_of = folds_of(len(records), folds)
    readings: dict[int, Reading] = {}
    for fold in range(folds):
        inside = [i for i, f in enumerate(fold_of) if f == fold]
        outside = [i for i, f in enumerate(fold_of) if f != fold]
        fitted = reader.fitted_to([records[i] for i in outside], [targets[i] for i in outside])
        readings |= {i: fitted.read(records[i]) for i in inside}
    return [readings[i] for i in range(len(records))]


def saw(reader: Reader, targets: Sequence[dict[str, Any]]) -> bool:
    """Whether the reader was fitted to these very photos, so that its figures want `cross_fit`."""
    return reader.fitted is not None and reader.fitted["digest"] == digest(targets)


def bootstrap_interval(
    values: np.ndarray, confidence: float = 0.95, rounds: int = 2000
) -> tuple[float, float]:
    """Percentile interval of the mean of values `(N,)` under resampling of photos."""
    if not len(values):
        return 0.0, 0.0
    drawn = np.random.default_rng(0).integers(0, len(values), (rounds, len(values)))
    means = np.asarray(values, dtype=np.float64)[drawn].mean(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
