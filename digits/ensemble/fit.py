"""Fit a fusion to labelled photos, and compare it with each member by cross-fitting."""

from collections.abc import Sequence
from typing import Any

from rich.progress import track

from digits import fingerprints
from digits.console import console
from digits.ensemble.averaging import averaged
from digits.ensemble.fuser import Fuser
from digits.ensemble.fusion import Fusion
from digits.ensemble.recipe import MemberInfo, Recipe
from digits.ensemble.stored import FUSION
from digits.ensemble.tune import Tuner
from digits.evaluation.evaluator import mean_average_precision
from digits.evaluation.scores import number_scores
from digits.reading import Reader
from digits.reading.acceptance import with_acceptance
from digits.reading.base import ReaderState
from digits.reading.crossfit import cross_fit
from digits.reading.fit import folds_of
from digits.reading.refine import with_boxes_refined
from digits.types import Reading, Record, Target

FOLDS = 5
_NUMBERS = ("number_accuracy", "coverage_at_98", "expected_calibration_error")


def fit_recipe(
    members: Sequence[MemberInfo],
    fuser: Fuser,
    targets: Sequence[Target],
    fusion: Fusion | None,
    reader: Reader,
    *,
    tune: bool = False,
    refine: bool | str = "auto",
    backend: str = "faster_coco_eval",
) -> Recipe:
    """Fit readers to members and fusion, tune the fusion if asked, and choose a source per task.

    Whatever is fitted (weights, IoU, floor, reader) is scored by cross-fitting: each photo by
    what was fitted to other photos. A task takes the fusion only where it is at least as good as
    the best member.

    Args:
        members: of the fuser, in their order.
        fuser: of the members' detections of labelled photos.
        targets: of these photos.
        fusion: where the search starts, or the fusion itself; `None` to compare members alone.
        reader: is fitted to each source.
        tune: whether to search.
        refine: whether boxes are refined; `auto`: where that helps.
        backend: of `digits.evaluation.evaluator.Evaluator`.
    """
    records: dict[str, Sequence[Record]] = {
        member["name"]: detected for member, detected in zip(members, fuser.members, strict=True)
    }
    held_out = dict(records)  # by source, records by nothing that was fitted to their photo
    folds: list[Fusion] = []
    if fusion is not None:
        if tune:
            tuner = Tuner(fuser, targets, backend)
            folds = tune_folds(tuner, fusion)
            fusion = tuner.tune(fusion, range(len(targets)))
        held_out[FUSION] = held_out_records(fuser, fusion, folds)
        records[FUSION] = list(fuser(fusion))
    readings = {name: cross_fit(reader, found, targets) for name, found in held_out.items()}
    table = [
        source_figures(name, found, readings[name], targets, backend)
        for name, found in held_out.items()
    ]

    def boxes_of(row: dict[str, Any]) -> float:
        maps: dict[bool, float] = {False: row["map_raw"], True: row["map_refined"]}
        return max(maps.values()) if refine == "auto" else maps[bool(refine)]

    best = max(reversed(table), key=boxes_of)  # the fusion comes first among equals
    numbers = max(reversed(table), key=lambda row: float(row["number_accuracy"]))["name"]
    refines = best["map_refined"] > best["map_raw"] if refine == "auto" else bool(refine)
    average = False
    if fusion is not None:
        fusions = fusions_of(fusion, folds, len(targets))
        rows = table[: len(members)]
        for base, row in enumerate(rows):
            moved = averaged_records(fuser.members, base, fusions)
            moved = with_boxes_refined(moved, readings[row["name"]]) if refines else moved
            row["map_averaged"] = mean_average_precision(moved, targets, backend)
        most = max(rows, key=lambda row: float(row["map_averaged"]))
        average = most["map_averaged"] > boxes_of(best)
        best = most if average else best

    def fitted(name: str) -> ReaderState | None:
        whole = reader.fit(records[name], targets)
        return with_acceptance(whole, readings[name], held_out[name], targets).state

    return Recipe(
        members=list(members),
        fusion=fusion,
        boxes=best["name"],
        numbers=numbers,
        refine=refines,
        readers={name: fitted(name) for name in dict.fromkeys((best["name"], numbers))},
        table=table,
        folds=folds,
        digest=fingerprints.of_targets(targets),
        average=average,
    )


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


def averaged_records(
    members: Sequence[Sequence[Record]], base: int, fusions: Sequence[Fusion]
) -> list[Record]:
    """A member's records, boxes moved by the weights of a fusion per photo."""
    photos = zip(*members, strict=True)
    return [averaged(p, base, used.weights) for p, used in zip(photos, fusions, strict=True)]


def source_figures(
    name: str,
    records: Sequence[Record],
    readings: Sequence[Reading],
    targets: Sequence[Target],
    backend: str,
) -> dict[str, Any]:
    """Figures of both tasks, of records and cross-fitted readings."""
    refined = with_boxes_refined(records, readings)
    scores = number_scores(readings, targets)
    return {
        "name": name,
        "map_raw": mean_average_precision(records, targets, backend),
        "map_refined": mean_average_precision(refined, targets, backend),
    } | {figure: scores[figure] for figure in _NUMBERS}
