"""Fit a fusion to labelled photos, and compare it with each member by cross-fitting."""

from collections.abc import Sequence
from typing import Any

from digits import fingerprints
from digits.ensemble.averaging import averaged
from digits.ensemble.folds import fusions_of, held_out_records, tune_folds
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
from digits.reading.refine import with_boxes_refined
from digits.types import Record, Target

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
    folds: list[Fusion] = []
    if fusion is not None and tune:
        tuner = Tuner(fuser, targets, backend)
        folds = tune_folds(tuner, fusion)
        fusion = tuner.tune(fusion, range(len(targets)))
    names = [member["name"] for member in members]
    sources = {
        name: _Source(reader, found, found, targets)
        for name, found in zip(names, fuser.members, strict=True)
    }
    if fusion is not None:
        held_out = held_out_records(fuser, fusion, folds)
        sources[FUSION] = _Source(reader, list(fuser(fusion)), held_out, targets)
    table = [{"name": name} | source.figures(backend) for name, source in sources.items()]
    best, refines = _best_boxes(table, refine)
    numbers = max(reversed(table), key=lambda row: float(row["number_accuracy"]))["name"]
    average = False
    if fusion is not None:
        fusions = fusions_of(fusion, folds, len(targets))
        for base, row in enumerate(table[: len(members)]):
            moved = averaged_records(fuser.members, base, fusions)
            if refines:
                moved = with_boxes_refined(moved, sources[row["name"]].readings)
            row["map_averaged"] = mean_average_precision(moved, targets, backend)
        most = max(table[: len(members)], key=lambda row: float(row["map_averaged"]))
        average = most["map_averaged"] > _map(best, refine)
        best = most if average else best
    return Recipe(
        members=list(members),
        fusion=fusion,
        boxes=best["name"],
        numbers=numbers,
        refine=refines,
        readers={name: sources[name].fitted() for name in dict.fromkeys((best["name"], numbers))},
        table=table,
        folds=folds,
        digest=fingerprints.of_targets(targets),
        average=average,
    )


class _Source:
    """Detections of labelled photos by one member, or by the fusion.

    Args:
        reader: not fitted.
        records: of the photos.
        held_out: the same, each by nothing that was fitted to its photo.
        targets: of the photos.
    """

    def __init__(
        self,
        reader: Reader,
        records: Sequence[Record],
        held_out: Sequence[Record],
        targets: Sequence[Target],
    ) -> None:
        self.reader = reader
        self.records = records
        self.held_out = held_out
        self.targets = targets
        self.readings = cross_fit(reader, held_out, targets)

    def figures(self, backend: str) -> dict[str, Any]:
        """Of both tasks, each photo by what was fitted to others."""
        refined = with_boxes_refined(self.held_out, self.readings)
        scores = number_scores(self.readings, self.targets)
        return {
            "map_raw": mean_average_precision(self.held_out, self.targets, backend),
            "map_refined": mean_average_precision(refined, self.targets, backend),
        } | {figure: scores[figure] for figure in _NUMBERS}

    def fitted(self) -> ReaderState | None:
        """The state of the reader, fitted to all photos."""
        whole = self.reader.fit(self.records, self.targets)
        return with_acceptance(whole, self.readings, self.held_out, self.targets).state


def _best_boxes(table: Sequence[dict[str, Any]], refine: bool | str) -> tuple[dict[str, Any], bool]:
    """The source whose boxes score best, and whether they are refined."""
    best = max(reversed(table), key=lambda row: _map(row, refine))  # the fusion first among equals
    helps = best["map_refined"] > best["map_raw"]
    return best, helps if refine == "auto" else bool(refine)


def _map(row: dict[str, Any], refine: bool | str) -> float:
    """mAP of a source, boxes refined as asked."""
    maps: dict[bool, float] = {False: row["map_raw"], True: row["map_refined"]}
    return max(maps.values()) if refine == "auto" else maps[bool(refine)]


def averaged_records(
    members: Sequence[Sequence[Record]], base: int, fusions: Sequence[Fusion]
) -> list[Record]:
    """A member's records, boxes moved by the weights of a fusion per photo."""
    photos = zip(*members, strict=True)
    return [averaged(p, base, used.weights) for p, used in zip(photos, fusions, strict=True)]
