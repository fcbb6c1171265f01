"""Scores and pictures of a split, collected photo by photo."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from digits.console import console
from digits.evaluation import Evaluation
from digits.plots import save_readings
from digits.reading import ThresholdReader
from digits.structures import target_number

_PICTURES = 36

Prediction = tuple[dict[str, Any], dict[str, Any], Tensor]


class Report:
    """Scores where there are labels, a sheet of the first photos read, photos per second.

    Args:
        reader: detections to a number.
        labelled: whether the targets hold labels.
        backend: of `digits.evaluation.Evaluation`.
    """

    def __init__(self, reader: ThresholdReader, labelled: bool, backend: str) -> None:
        self.reader = reader
        self.evaluation = Evaluation(reader, backend, per_class=True) if labelled else None
        self._items: list[dict[str, Any]] = []
        self._count = 0
        self._start = self._last = time.perf_counter()

    def add(
        self, record: dict[str, Any], target: dict[str, Any], photo: Tensor
    ) -> tuple[str, float]:
        """Add a photo's detections.

        Returns:
            The number read and the score of its weakest digit (0 where there is none).
        """
        kept = self.reader.select(record)
        number = self.reader(record)
        if self.evaluation:
            self.evaluation.update([record], [target])
        if len(self._items) < _PICTURES:
            self._items.append(
                {
                    "photo": photo,
                    "boxes": record["boxes"][kept],
                    "labels": record["labels"][kept],
                    "number": number,
                    "truth": target_number(target) if self.evaluation else None,
                }
            )
        self._count += 1
        self._last = time.perf_counter()
        score = float(record["scores"][kept].min()) if len(kept) else 0.0
        return number, score

    def figures(self) -> dict[str, float]:
        """The scores by name, and photos per second from the first photo's start to the last."""
        scores = self.evaluation.compute() if self.evaluation else {}
        return scores | {
            "photos": self._count,
            "photos_per_second": self._count / max(self._last - self._start, 1e-9),
        }

    def save_picture(self, path: Path) -> Path:
        return save_readings(path, self._items)


def with_progress(
    predictions: Iterable[Prediction], total: int, title: str
) -> Iterator[Prediction]:
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
