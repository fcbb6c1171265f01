"""Scores and pictures of a split, collected photo by photo."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from digits.console import console
from digits.evaluation import map_by_height
from digits.evaluation.evaluator import Evaluation
from digits.evaluation.plots import reading_item, save_confidence, save_readings
from digits.evaluation.scores import confusion_matrix, number_scores
from digits.reading import Reader
from digits.types import Reading
from digits.reading.crossfit import cross_fit, saw
from digits.reading.refine import refine
from digits.types import target_number

_PICTURES = 36

Prediction = tuple[dict[str, Any], dict[str, Any], Tensor]
Item = TypeVar("Item")


class Report:
    """Scores where there are labels, a sheet of the first photos read, photos per second.

    Where the reader was fitted to the very photos that are scored, their numbers are scored by
    cross-fitting: each photo as read by a reader that never saw it.

    Args:
        reader: detections to a number.
        labelled: whether the targets hold labels.
        backend: of `digits.evaluation.Evaluation`.
    """

    def __init__(self, reader: Reader, labelled: bool, backend: str) -> None:
        self.reader = reader
        self.labelled = labelled
        # Made at once, so that an unknown backend is refused before hours of work.
        self._boxes = Evaluation(None, backend, per_class=True)
        self._refined = Evaluation(None, backend)
        self.cross_fitted = False
        self._records: list[dict[str, Any]] = []
        self._targets: list[dict[str, Any]] = []
        self._readings: list[Reading] = []
        self._items: list[Prediction] = []
        self._count = 0
        self._start = self._last = time.perf_counter()

    def add(
        self, record: dict[str, Any], target: dict[str, Any], photo: Tensor | None = None
    ) -> Reading:
        """Add a photo's detections, and read its number; without its pixels there is no picture."""
        reading = self.reader.read(record)
        if self.labelled:
            self._records.append(record)
            self._targets.append(target)
            self._readings.append(reading)
        if photo is not None and len(self._items) < _PICTURES:
            self._items.append((record, target, photo))
        self._count += 1
        self._last = time.perf_counter()
        return reading

    def fit(self) -> None:
        """Fit the reader to the photos added."""
        if self.labelled:
            self.reader = self.reader.fitted_to(self._records, self._targets)
            self._readings = [self.reader.read(record) for record in self._records]

    def figures(self) -> dict[str, float]:
        """The scores by name, and photos per second from the first photo's start to the last."""
        rate = {
            "photos": self._count,
            "photos_per_second": self._count / max(self._last - self._start, 1e-9),
        }
        if not self.labelled:
            return rate
        self.cross_fitted = saw(self.reader, self._targets)
        if self.cross_fitted:
            self._readings = cross_fit(self.reader, self._records, self._targets)
        refined = [
            record | {"boxes": refine(record, reading.indices)}
            for record, reading in zip(self._records, self._readings, strict=True)
        ]
        self._boxes.update(self._records, self._targets)
        self._refined.update(refined, self._targets)
        return (
            self._boxes.compute()
            | {"map_refined": self._refined.compute()["map"]}
            | map_by_height(self._records, self._targets)
            | number_scores(self._readings, self._targets)
            | rate
        )

    def summary(self, figures: dict[str, float]) -> dict[str, Any]:
        """The figures and what no table shows: how numbers were read, and the confusion matrix."""
        if not self.labelled:
            return figures | {"reading": self.reader.description}
        return figures | {
            "reading": self.reader.description,
            "numbers_cross_fitted": self.cross_fitted,
            "confusion": self.confusion(),
        }

    def confusion(self) -> list[list[int]]:
        """Counts of true digit (row) and digit read (column); the last stands for none."""
        matrix: list[list[int]] = confusion_matrix(
            self._readings, self._records, self._targets
        ).tolist()
        return matrix

    def save_pictures(self, readings: Path, confidence: Path) -> dict[str, Path]:
        """Save the first photos as read and, where there are labels, what confidences are worth.

        Returns:
            The paths of the pictures by name.
        """
        paths = {"picture": save_readings(readings, [self._item(*item) for item in self._items])}
        if self.labelled:
            truths = [target_number(target) for target in self._targets]
            right = [r.matches(t) for r, t in zip(self._readings, truths, strict=True)]
            sure = [reading.confidence for reading in self._readings]
            paths["confidence"] = save_confidence(confidence, sure, right, self.confusion())
        return paths

    def _item(self, record: dict[str, Any], target: dict[str, Any], photo: Tensor) -> Any:
        truth = target_number(target) if self.labelled else None
        reading = self.reader.read(record)
        return reading_item(photo, record, reading.indices, reading.number, truth)


def with_progress(predictions: Iterable[Item], total: int, title: str) -> Iterator[Item]:
    """Show a bar with photos done, photos per second and the time left."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f} photos/s"), TimeRemainingColumn(),
        console=console,
    )  # fmt: skip
    start = time.perf_counter()
    with bar:
        task = bar.add_task(title, total=total, rate=0.0)
        for done, prediction in enumerate(predictions, 1):
            yield prediction
            bar.update(task, completed=done, rate=done / (time.perf_counter() - start))
