"""Fit a fusion to labelled photos, and compare it honestly with every member."""

from collections.abc import Sequence
from typing import Any

from rich.progress import track

from digits.console import console
from digits.ensemble.fusion import Fusion
from digits.ensemble.recipe import FUSION, Recipe
from digits.ensemble.tune import Tuner
from digits.errors import DigitsError
from digits.evaluation.evaluator import Evaluation
from digits.evaluation.scores import number_scores
from digits.reading import Reader
from digits.types import Reading
from digits.reading.crossfit import cross_fit
from digits.reading.fit import digest, folds_of
from digits.reading.refine import refine

FOLDS = 5
_FIGURES = ("map", "map_refined", "number_accuracy", "coverage_at_98", "expected_calibration_error")

Records = Sequence[dict[str, Any]]


def starting(
    count: int, method: str, weights: Sequence[float] | str | None = None, **settings: float
) -> tuple[Fusion | None, bool]:
    """The fusion that a configuration means, and whether valid is to tune it.

    Args:
        count: of members.
        method: of `Fusion`; `none` for the best member alone.
        weights: one per member; `auto` to search; `None` for equal ones.
        settings: other arguments of `Fusion`.

    Raises:
        DigitsError: as `Fusion`; not one weight per member.
    """
    if method == "none":
        return None, False
    if isinstance(weights, str) and weights != "auto":
        raise DigitsError(f"fusion.weights={weights}: expected auto, null, or a list of numbers.")
    auto = weights == "auto"
    given = (1.0,) * count if weights is None or isinstance(weights, str) else tuple(weights)
    if len(given) != count:
        raise DigitsError(
            f"fusion.weights={list(given)}: {len(given)} numbers for {count} members; give one "
            "per member in their order (each checkpoint at each of tta.scales), or auto."
        )
    return Fusion(given, method, **settings), auto


def fit_recipe(
    names: Sequence[dict[str, Any]],
    tuner: Tuner,
    start: Fusion | None,
    auto: bool,
    reader: Reader,
    refined: bool | str = "auto",
) -> Recipe:
    """Tune a fusion on labelled photos, fit its reader, and compare it with every member.

    Whatever is fitted (weights, IoU, floor, reader) is scored by cross-fitting: each photo by
    what was fitted to the other folds. A task takes the fusion only where it is at least as good
    as the best member.

    Args:
        names: per member what identifies it, with its `name`.
        tuner: of the members' detections and the targets.
        start: of the search, or the fusion itself; `None` to compare members alone.
        auto: whether to search.
        reader: is fitted to each source.
        refined: whether boxes are refined; `auto`: where that helps.
    """
    targets, everything = tuner.targets, range(len(tuner.targets))
    records: dict[str, Records] = {}
    table = []
    for about, found in zip(names, tuner.members, strict=True):
        name = about["name"]
        records[name] = found
        readings = cross_fit(reader, found, targets, FOLDS)
        table.append({"name": name} | figures_of(found, readings, targets, tuner.backend))
    if start is not None:
        held_out, readings = cross_fit_fusion(tuner, start, auto, reader)
        table.append({"name": FUSION} | figures_of(held_out, readings, targets, tuner.backend))
        start = tuner.tune(start, everything) if auto else start
        records[FUSION] = tuner.fused(start, everything)

    def boxes_of(row: dict[str, Any]) -> float:
        figures = {False: row["map"], True: row["map_refined"]}
        return max(figures.values()) if refined == "auto" else figures[bool(refined)]

    best = max(reversed(table), key=boxes_of)  # the fusion comes first among equals
    numbers = max(reversed(table), key=lambda row: row["number_accuracy"])["name"]
    wins = best["map_refined"] > best["map"]
    used = dict.fromkeys((best["name"], numbers))
    return Recipe(
        members=list(names),
        fusion=start,
        boxes=best["name"],
        numbers=numbers,
        refine=wins if refined == "auto" else bool(refined),
        readers={name: reader.fitted_to(records[name], targets).fitted for name in used},
        table=table,
        digest=digest(targets),
    )


def cross_fit_fusion(
    tuner: Tuner, start: Fusion, auto: bool, reader: Reader
) -> tuple[list[dict[str, Any]], list[Reading]]:
    """Fused records and readings of all photos, each by what was fitted to the other folds."""
    targets, everything = tuner.targets, range(len(tuner.targets))
    fold_of = folds_of(len(targets), FOLDS)
    found: dict[int, tuple[dict[str, Any], Reading]] = {}
    quietly = console.is_jupyter  # a notebook keeps every state of a bar
    for fold in track(range(FOLDS), "tuning  ", console=console, disable=quietly):
        outside = [i for i in everything if fold_of[i] != fold]
        inside = [i for i in everything if fold_of[i] == fold]
        fusion = tuner.tune(start, outside) if auto else start
        learned = reader.fitted_to(tuner.fused(fusion, outside), [targets[i] for i in outside])
        for i, record in zip(inside, tuner.fused(fusion, inside), strict=True):
            found[i] = record, learned.read(record)
    return [found[i][0] for i in everything], [found[i][1] for i in everything]


def figures_of(
    records: Records, readings: Sequence[Reading], targets: Records, backend: str
) -> dict[str, float]:
    """Figures of both tasks by name; `readings` are of the same records."""
    figures = number_scores(readings, targets)
    straight = [
        record | {"boxes": refine(record, reading.indices)}
        for record, reading in zip(records, readings, strict=True)
    ]
    for name, boxes in (("map", records), ("map_refined", straight)):
        evaluation = Evaluation(None, backend)
        evaluation.update(list(boxes), list(targets))
        figures[name] = evaluation.compute()["map"]
    return {name: figures[name] for name in _FIGURES}
