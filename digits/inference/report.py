"""Collect a split photo by photo, and score it."""

from collections.abc import Sequence
from dataclasses import replace

from digits.evaluation.evaluator import Evaluator, mean_average_precision
from digits.evaluation.heights import map_by_height
from digits.evaluation.pictures import Picture
from digits.evaluation.scores import confusion_matrix, number_scores
from digits.inference.scores import Scores
from digits.inference.source import Item, Readers
from digits.reading.acceptance import with_acceptance
from digits.reading.crossfit import readings_of, was_fitted_to
from digits.reading.refine import with_boxes_refined
from digits.report.tiles import Tile, chosen, tile
from digits.types import Reading, Record, Target, target_number

_MAX_PICTURES = 36
_MAX_TILES = 2000  # photos without labels from which those to show are chosen at once


class Report:
    """What was found and read in the photos of a split: figures are of it, and pictures show it.

    Where a reader was fitted to the very photos that are scored, their numbers are scored by
    cross-fitting: each photo as read by a reader that was fitted to others.

    Args:
        readers: of the numbers.
        labelled: whether the items hold true digits.
        backend: of `Evaluator`.
    """

    def __init__(self, readers: Readers, labelled: bool, backend: str = "faster_coco_eval") -> None:
        self.readers = readers
        self.labelled = labelled
        self.backend = backend
        self._cross_fitted = False
        self._items: list[Item] = []
        self._readings: list[Reading] = []
        self._pictures: list[Picture] = []
        self._tiles: list[Tile] = []
        self._sure: list[float] = []
        self._count = 0

    def add(self, item: Item, reading: Reading, doubtful: bool = False) -> None:
        """Add a photo and its number; without its pixels there is no picture."""
        if item.photo is not None and len(self._pictures) < _MAX_PICTURES:
            truth = target_number(item.target) if self.labelled and item.target else None
            self._pictures.append(Picture.of(item.photo, item.record, reading, truth, doubtful))
        if self.labelled:
            self._items.append(item._replace(photo=None))
            self._readings.append(reading)
        else:
            self._tiles.append(tile(item.record, reading, None, not doubtful))
            self._sure.append(reading.confidence)
            if len(self._tiles) > _MAX_TILES:
                self._tiles = chosen(self._tiles)
        self._count += 1

    def fit(self) -> None:
        """Fit the reader to the photos added, and refine boxes where that scores better there."""
        targets, records = _targets(self._items), [item.record for item in self._items]
        reader = self.readers.numbers.fit(records, targets)
        self._readings = readings_of(reader, records, targets)
        reader = with_acceptance(reader, self._readings, records, targets)
        self._cross_fitted = was_fitted_to(reader, targets)
        better = with_boxes_refined(records, self._readings)
        refine = self._map(better, targets) > self._map(records, targets)
        self.readers = replace(self.readers, numbers=reader, boxes=reader, refine=refine)

    def score(
        self,
        seconds: float | None = None,
        scored: Sequence[Item] | None = None,
        accepted: int | None = None,
    ) -> Scores:
        """The scores of the photos added.

        Of the figures `map` and its kin are of the boxes as submitted, `map_raw` of the boxes as
        detected, `map_refined` of the refined ones without alternatives.

        Args:
            seconds: that detecting and reading took, where photos per second mean something.
            scored: items to score in the place of those added (`digits.inference.source.Source`).
            accepted: how many numbers are, where that is decided.
        """
        counts: dict[str, float] = {"photos": self._count}
        if seconds is not None:
            counts["photos_per_second"] = self._count / max(seconds, 1e-9)
        if accepted is not None:
            counts["accepted"] = accepted
        if not self.labelled:
            return Scores(counts, self.readers, self._pictures, chosen(self._tiles), self._sure)
        items = self._items if scored is None else scored
        targets, records = _targets(items), [item.record for item in items]
        readings, cross_fitted = self._readings, self._cross_fitted
        if not cross_fitted:
            cross_fitted = was_fitted_to(self.readers.numbers, targets)
            if cross_fitted or scored is not None:
                readings = readings_of(self.readers.numbers, records, targets)
        tiles = [
            tile(item.record, reading, item.target)
            for item, reading in zip(items, readings, strict=True)
        ]
        return Scores(
            self._box_figures(items, readings) | number_scores(readings, targets) | counts,
            self.readers,
            self._pictures,
            chosen(tiles),
            [reading.confidence for reading in readings],
            labelled=True,
            right=[r.matches(target_number(t)) for r, t in zip(readings, targets, strict=True)],
            confusion=confusion_matrix(readings, records, targets).tolist(),
            cross_fitted=cross_fitted,
        )

    def _box_figures(self, items: Sequence[Item], readings: Sequence[Reading]) -> dict[str, float]:
        targets, boxes = _targets(items), [item.boxes for item in items]
        sources = [item.read_for_boxes for item in items]
        if any(source is not item.record for source, item in zip(sources, items, strict=True)):
            readings = readings_of(self.readers.boxes, sources, targets)
        refined = with_boxes_refined(boxes, readings) if self.readers.refine else boxes
        submitted = [self.readers.submitted(record) for record in refined]
        evaluator = Evaluator(None, self.backend, per_class=True)
        evaluator.update(submitted, targets)
        scores = evaluator.compute()
        final = scores.pop("map")
        single = self._map(refined, targets) if self.readers.alternatives else final
        raw = self._map(boxes, targets) if self.readers.refine else single
        maps = {"map": final, "map_raw": raw}
        maps |= {"map_refined": single} if self.readers.refine else {}
        return maps | scores | map_by_height(submitted, targets)

    def _map(self, records: Sequence[Record], targets: Sequence[Target]) -> float:
        return mean_average_precision(records, targets, self.backend)


def _targets(items: Sequence[Item]) -> list[Target]:
    return [item.target for item in items if item.target is not None]
