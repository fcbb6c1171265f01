"""Read the history of a run from its metrics.csv."""

import csv
import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from digits import outputs
from digits.errors import DigitsError, one_line

LOSS, MAP, NUMBERS = "train/loss", "val/map", "val/number_accuracy"
_LARGEST = 3.5e38  # of float32
SCORES = {MAP: "valid mAP", NUMBERS: "valid number accuracy"}


@dataclass(frozen=True)
class History:
    """Figures of a run by epoch.

    Attributes:
        name: of the run.
        curves: by the name of a figure, its value by epoch, counted from 1: the mean over the
            epoch.
    """

    name: str
    curves: dict[str, dict[int, float]] = field(default_factory=dict)

    def best(self, score: str) -> tuple[int, float] | None:
        """Epoch and value of the highest score, the first of equal ones; None without any."""
        curve = self.curves.get(score)
        return max(curve.items(), key=lambda point: point[1]) if curve else None

    @property
    def map(self) -> float:
        """The highest mAP; -1 without any."""
        best = self.best(MAP) or self.best(NUMBERS)
        return best[1] if best else -1.0


def read_history(folder: Path, name: str | None = None) -> History:
    """The history of a run directory.

    Raises:
        DigitsError: no metrics.csv there, or not one that train.py wrote.
    """
    path = folder / outputs.LOG
    values: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if not row["epoch"]:  # learning rates stand in rows of their own
                    continue
                epoch = int(row["epoch"]) + 1
                for key, value in row.items():
                    if value and key not in ("epoch", "step"):
                        values[key][epoch].append(_figure(value))
    except FileNotFoundError as error:
        raise DigitsError(f"{path}: no such file; expected a run directory of train.py.") from error
    except (ValueError, KeyError, TypeError, OverflowError, AttributeError, csv.Error) as error:
        reason = one_line(error)[:200]
        raise DigitsError(f"{path}: not a metrics.csv that train.py wrote ({reason}).") from error
    means = {
        key: {epoch: float(np.mean(seen)) for epoch, seen in sorted(epochs.items())}
        for key, epochs in values.items()
    }
    if f"{LOSS}_epoch" in means:  # of all steps; the other is of those that were logged
        means[LOSS] = means[f"{LOSS}_epoch"]
    return History(name or folder.resolve().name, means)


def _figure(text: str) -> float:
    value = float(text)
    if _LARGEST < abs(value) < math.inf:  # no axis can be drawn for it
        raise ValueError(f"{value:g}, more than float32 holds")
    return value


def find_runs(folders: list[Path]) -> list[History]:
    """The histories of runs, and of those in folders of runs, such as a sweep's.

    Raises:
        DigitsError: no run there.
    """
    paths: list[Path] = []
    for folder in folders:
        own = (
            [folder]
            if (folder / outputs.LOG).is_file()
            else sorted(p.parent for p in folder.glob(f"*/{outputs.LOG}"))
        )
        if not own:
            raise DigitsError(
                f"{folder}: no {outputs.LOG} in it or in its folders; expected the folder of a run "
                "or of a sweep of train.py."
            )
        paths += own
    names = [path.resolve().name for path in paths]
    clear = len(set(names)) == len(names)
    return [read_history(p, n if clear else str(p)) for p, n in zip(paths, names, strict=True)]
