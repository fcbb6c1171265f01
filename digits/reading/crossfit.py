"""Score a fitted reader on the photos that it was fitted to, by cross-fitting."""

from collections.abc import Sequence

import numpy as np
from rich.progress import track

from digits import fingerprints
from digits.console import console
from digits.reading.base import Reader
from digits.reading.fit import folds_of
from digits.types import Detections, Reading, Target

FOLDS = 10


def cross_fit(
    reader: Reader, records: Sequence[Detections], targets: Sequence[Target], folds: int = FOLDS
) -> list[Reading]:
    """Readings of all photos, each by the reader fitted to the other folds."""
    fold_of = folds_of(len(records), folds)
    records = reader.prepared(records)
    readings: dict[int, Reading] = {}
    quietly = not console.is_terminal  # files and notebooks keep every state of a bar
    for fold in track(
        range(folds), "fitting the reader", console=console, transient=True, disable=quietly
    ):
        inside = [i for i, f in enumerate(fold_of) if f == fold]
        outside = [i for i, f in enumerate(fold_of) if f != fold]
        fitted = reader.fit([records[i] for i in outside], [targets[i] for i in outside])
        readings |= {i: fitted.read(records[i]) for i in inside}
    return [readings[i] for i in range(len(records))]


def was_fitted_to(reader: Reader, targets: Sequence[Target]) -> bool:
    """Whether a reader was fitted to these very photos, so that its figures need `cross_fit`."""
    digest = (reader.state or {}).get("digest")
    return bool(digest == fingerprints.of_targets(targets))


def readings_of(
    reader: Reader, records: Sequence[Detections], targets: Sequence[Target]
) -> list[Reading]:
    """Readings of labelled photos; cross-fitted where the reader was fitted to these photos."""
    if was_fitted_to(reader, targets):
        return cross_fit(reader, records, targets)
    return [reader.read(record) for record in records]


def bootstrap_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of the mean of values `(N,)` under resampling of photos."""
    from scipy import stats  # slow to import, and reading needs none

    sample = np.asarray(values, dtype=np.float64)
    if len(sample) < 2:  # nothing to resample
        return (float(sample[0]),) * 2 if len(sample) else (0.0, 0.0)
    interval = stats.bootstrap(
        (sample,),
        np.mean,
        n_resamples=2000,
        confidence_level=0.95,
        method="percentile",
        random_state=0,
    ).confidence_interval
    return float(interval.low), float(interval.high)
