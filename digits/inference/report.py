"""Collect the metrics and pictures of a split, photo by photo."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from digits.evaluation.evaluator import Evaluator, mean_average_precision
from digits.evaluation.heights import map_by_height
from digits.evaluation.pictures import Picture, draw_sheet, save_image
from digits.evaluation.scores import confusion_matrix, number_scores
from digits.inference.source import Item, Readers
from digits.reading.acceptance import with_acceptance
from digits.reading.crossfit import readings_of, was_fitted_to
from digits.reading.refine import with_boxes_refined
from digits.report.gallery import Tile, chosen, tile, write_gallery
from digits.types import Reading, Record, Target, target_number

_MAX_PICTURES = 36
_MAX_TILES = 2000  # photos without labels from which those to show are chosen at once


class Report:
    """Figures where there are labels, a sheet of the first photos read, photos per second.

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
        self.cross_fitted = False
        self._items: list[Item] = []
        self._readings: list[Reading] = []
        self._pictures: list[Picture] = []
        self._confusion: list[list[int]] = []
        self._right: list[bool] = []
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
        self.cross_fitted = was_fitted_to(reader, targets)
        better = with_boxes_refined(records, self._readings)
        refine = self._map(better, targets) > self._map(records, targets)
        self.readers = replace(self.readers, numbers=reader, boxes=reader, refine=refine)

    def figures(
        self, seconds: float | None = None, scored: Sequence[Item] | None = None
    ) -> dict[str, float]:
        """The figures by name.

        `map` and its kin are of the boxes as submitted, `map_raw` of the boxes as detected,
        `map_refined` of the refined ones without alternatives.

        Args:
            seconds: that detecting and reading took, where photos per second mean something.
            scored: items to score in the place of those added (`digits.inference.source.Source`).
        """
        rate: dict[str, float] = {"photos": self._count}
        if seconds is not None:
            rate["photos_per_second"] = self._count / max(seconds, 1e-9)
        if not self.labelled:
            return rate
        items = self._items if scored is None else scored
        targets = _targets(items)
        records, boxes = [item.record for item in items], [item.boxes for item in items]
        if not self.cross_fitted:
            self.cross_fitted = was_fitted_to(self.readers.numbers, targets)
            if self.cross_fitted or scored is not None:
                self._readings = readings_of(self.readers.numbers, records, targets)
        self._items, readings = list(items), self._readings
        sources = [item.read_for_boxes for item in items]
        if any(source is not record for source, record in zip(sources, records, strict=True)):
            readings = readings_of(self.readers.boxes, sources, targets)
        refined = with_boxes_refined(boxes, readings) if self.readers.refine else boxes
        submitted = [self.readers.submitted(record) for record in refined]
        self._confusion = confusion_matrix(self._readings, records, targets).tolist()
        self._right = [
            r.matches(target_number(t)) for r, t in zip(self._readings, targets, strict=True)
        ]
        evaluator = Evaluator(None, self.backend, per_class=True)
        evaluator.update(submitted, targets)
        scores = evaluator.compute()
        final = scores.pop("map")
        single = self._map(refined, targets) if self.readers.alternatives else final
        raw = self._map(boxes, targets) if self.readers.refine else single
        maps = {"map": final, "map_raw": raw}
        maps |= {"map_refined": single} if self.readers.refine else {}
        return (
            maps
            | scores
            | map_by_height(submitted, targets)
            | number_scores(self._readings, targets)
            | rate
        )

    def summary(
        self, figures: dict[str, float], members: Sequence[dict[str, Any]] = ()
    ) -> dict[str, Any]:
        """The content of metrics.json: the figures, and what no table shows."""
        summary = {
            **figures,
            "reading": self.readers.numbers.description,
            "refined": self.readers.refine,
            "alternatives": self.readers.alternatives,
            "members": list(members),
        }
        if self.labelled:
            summary |= {"numbers_cross_fitted": self.cross_fitted, "confusion": self._confusion}
        return summary

    def _map(self, records: Sequence[Record], targets: Sequence[Target]) -> float:
        return mean_average_precision(records, targets, self.backend)

    def save_pictures(self, readings: Path, confidence: Path) -> dict[str, Path]:
        """Save the first photos as read and, where there are labels, what confidences are worth.

        Call it after `figures`.

        Returns:
            The paths of the pictures by name.
        """
        paths = {}
        if self._pictures:
            paths["picture"] = save_image(readings, draw_sheet(self._pictures))
        if self.labelled:
            from digits.evaluation.plots import save_confidence  # matplotlib takes a second

            sure = [reading.confidence for reading in self._readings]
            paths["confidence"] = save_confidence(confidence, sure, self._right, self._confusion)
        return paths

    def save_gallery(self, path: Path, photo: Callable[[int], Tensor | None] | None) -> None:
        """Save the photos that a person should look at; call it after `figures`.

        Args:
            path: of gallery.json.
            photo: as `digits.inference.source.Source.open_photo`.
        """
        tiles, sure = self._tiles, self._sure
        if self.labelled:
            pairs = zip(self._items, self._readings, strict=True)
            tiles = [tile(item.record, reading, item.target) for item, reading in pairs]
            sure = [reading.confidence for reading in self._readings]
        write_gallery(path, chosen(tiles), sure, self._right, photo)


def _targets(items: Sequence[Item]) -> list[Target]:
    return [item.target for item in items if item.target is not None]
