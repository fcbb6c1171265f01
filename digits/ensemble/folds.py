"""Fusions by fold: each labelled photo is fused by what was not tuned on it."""

from collections.abc import Sequence

from rich.progress import track

from digits.console import console
from digits.ensemble.fuser import Fuser
from digits.ensemble.fusion import Fusion
from digits.ensemble.tune import Tuner
from digits.reading.fit import folds_of
from digits.types import Record

FOLDS = 5


def tune_folds(tuner: Tuner, start: Fusion) -> list[Fusion]:
    """Per fold of the photos, the fusion tuned on the other folds."""
    fold_of = folds_of(len(tuner.targets), FOLDS)
    quietly = console.is_jupyter  # a notebook keeps every state of a bar
    return [
        tuner.tune(start, [i for i, f in enumerate(fold_of) if f != fold])
        for fold in track(range(FOLDS), "tuning  ", console=console, disable=quietly)
    ]


def held_out_records(fuser: Fuser, fusion: Fusion, folds: Sequence[Fusion]) -> list[Record]:
    """Fused records of labelled photos, each by a fusion that was not tuned on it.

    Args:
        fuser: of the members' detections of the photos that the fusion was fitted to.
        fusion: was not tuned, if there are no folds.
        folds: from `tune_folds`.
    """
    if not folds:
        return list(fuser(fusion))
    records: dict[int, Record] = {}
    fold_of = folds_of(len(fuser), len(folds))
    for fold, tuned in enumerate(folds):
        inside = [i for i, f in enumerate(fold_of) if f == fold]
        records.update(zip(inside, fuser(tuned, inside), strict=True))
    return [records[i] for i in range(len(fuser))]


def fusions_of(fusion: Fusion, folds: Sequence[Fusion], count: int) -> list[Fusion]:
    """Per labelled photo, the fusion that was not tuned on it; without folds, the fusion itself."""
    return [folds[fold] for fold in folds_of(count, len(folds))] if folds else [fusion] * count
