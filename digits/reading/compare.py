"""Compare all readers on the same detections."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from digits.evaluation.confidence import (
    calibration_error_by_chance,
    coverage_at,
    expected_calibration_error,
)
from digits.reading.calibrated import CalibratedReader
from digits.reading.crossfit import bootstrap_interval, cross_fit
from digits.reading.features import NAMES
from digits.reading.rules import CascadeReader, ThresholdReader
from digits.types import Detections, Reading, Record, Target, target_number

_THRESHOLDS = tuple(np.round(np.arange(0.02, 1, 0.02), 2).tolist())


@dataclass(frozen=True)
class Row:
    """A rule's figures on photos.

    Attributes:
        name: of the rule.
        readings: one per photo.
        right: whether each number is, bool `(N,)`.
    """

    name: str
    readings: list[Reading]
    right: np.ndarray

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    @property
    def confidence(self) -> np.ndarray:
        return np.array([reading.confidence for reading in self.readings])

    def cells(self) -> list[str]:
        """Name, accuracy with its interval, calibration error with chance's, coverage at 98 %."""
        low, high = bootstrap_interval(self.right)
        error = expected_calibration_error(self.confidence, self.right)
        chance = calibration_error_by_chance(self.confidence)
        return [
            self.name,
            f"{self.accuracy:.3f} ({low:.3f}-{high:.3f})",
            f"{error:.3f} ({chance:.3f})",
            f"{coverage_at(self.confidence, self.right):.3f}",
        ]


def compare(
    records: Sequence[Record], targets: Sequence[Target], nms_iou: float = 0.4
) -> list[Row]:
    """Read labelled detections by every rule; the calibrated one by cross-fitting.

    Returns:
        Thresholds 0.5 and 0.7, the threshold that hindsight finds best, the cascade, and last the
        calibrated reader.
    """
    truths = [target_number(target) for target in targets]

    def row(name: str, read: Callable[[Detections], Reading]) -> Row:
        readings = [read(record) for record in records]
        right = np.array([r.matches(t) for r, t in zip(readings, truths, strict=True)])
        return Row(name, readings, right)

    rules = [ThresholdReader(t, nms_iou) for t in _THRESHOLDS]
    hindsight = max((row(rule.description, rule.read) for rule in rules), key=lambda r: r.accuracy)
    fixed = [ThresholdReader(0.5, nms_iou), ThresholdReader(0.7, nms_iou)]
    readings = iter(cross_fit(CalibratedReader(nms_iou), records, targets))
    both = any(record.get("rows") for record in records)
    alone = iter(
        cross_fit(CalibratedReader(nms_iou), without_rows(records), targets) if both else ()
    )
    return [
        *(row(rule.description, rule.read) for rule in fixed),
        Row(f"{hindsight.name}, best in hindsight", hindsight.readings, hindsight.right),
        row(CascadeReader(nms_iou=nms_iou).description, CascadeReader(nms_iou=nms_iou).read),
        *([row("calibrated, without the recogniser", lambda _: next(alone))] if both else []),
        row("calibrated, cross-fitted", lambda _: next(readings)),
    ]


def ablation(
    records: Sequence[Record], targets: Sequence[Target]
) -> dict[str, tuple[float, float]]:
    """What each piece of evidence is worth to the calibrated reader, cross-fitted.

    Returns:
        By the name of the evidence left out (`nothing` first): accuracy, and the mean negative log
        likelihood of the confidences, in nats per photo, which tells smaller differences apart.
    """
    truths = [target_number(target) for target in targets]
    worth = {}
    for left_out in ((), *((name,) for name in NAMES)):
        readings = cross_fit(CalibratedReader(ignore=left_out), records, targets)
        right = np.array([r.matches(t) for r, t in zip(readings, truths, strict=True)])
        sure = np.array([r.confidence for r in readings])
        loss = -np.log(np.maximum(np.where(right, sure, 1 - sure), 1e-9))
        worth[left_out[0] if left_out else "nothing"] = float(right.mean()), float(loss.mean())
    return worth


def advantages(rows: Sequence[Row]) -> list[str]:
    """How much more accurate the last row is than each other, with the paired 95 % interval."""
    last = rows[-1]
    lines = []
    for other in rows[:-1]:
        difference = last.right.astype(float) - other.right.astype(float)
        low, high = bootstrap_interval(difference)
        gain = f"{100 * difference.mean():+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
        lines.append(f"{last.name} over {other.name}: {gain}")
    return lines


def without_rows(records: Sequence[Record]) -> list[Record]:
    """The same detections, without what a recogniser read."""
    return [cast(Record, {k: v for k, v in r.items() if k != "rows"}) for r in records]


def rescaled(records: Sequence[Record], factor: float) -> list[Record]:
    """The same detections, every score multiplied, as a fusion of many models shrinks them."""
    return [record | {"scores": record["scores"] * factor} for record in records]
