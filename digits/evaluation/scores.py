"""Scores of readings: overall, by length and height of the number, by digit."""

from collections.abc import Sequence

import numpy as np

from digits.evaluation.confidence import coverage_at, expected_calibration_error
from digits.evaluation.heights import HEIGHT_NAMES, HEIGHTS
from digits.evaluation.numbers import number_figures
from digits.geometry import match
from digits.types import Reading, Record, Target, reading_labels, target_number

NONE = 10  # row of the confusion matrix: nothing there but read; column: there but not read


def number_scores(readings: Sequence[Reading], targets: Sequence[Target]) -> dict[str, float]:
    """Figures of numbers by name.

    number_accuracy, digit_error_rate; accuracy_1_digit and so on, and accuracy_height_18_25 and so
    on (pixels, mean of the photo's digits) for what occurs; coverage_at_98,
    expected_calibration_error.
    """
    truths = [target_number(target) for target in targets]
    scores = number_figures([reading.number for reading in readings], truths)
    right = np.array([r.matches(t) for r, t in zip(readings, truths, strict=True)], dtype=bool)
    sure = np.array([reading.confidence for reading in readings], dtype=np.float64)
    scores["coverage_at_98"] = coverage_at(sure, right)
    scores["expected_calibration_error"] = expected_calibration_error(sure, right)
    lengths = np.array([len(truth) for truth in truths])
    for length in np.unique(lengths[lengths > 0]):
        plural = "digit" if length == 1 else "digits"
        scores[f"accuracy_{length}_{plural}"] = float(right[lengths == length].mean())
    heights = np.array([_height(target) for target in targets])
    bins = np.digitize(heights, HEIGHTS) - 1
    for index, name in enumerate(HEIGHT_NAMES):
        if (bins == index).any():
            scores[f"accuracy_{name}"] = float(right[bins == index].mean())
    return scores


def confusion_matrix(
    readings: Sequence[Reading], records: Sequence[Record], targets: Sequence[Target]
) -> np.ndarray:
    """Counts `(11, 11)` of true digit (row) and digit read (column); 10 stands for none.

    A box that was read stands for the true digit that it overlaps: row 10 counts digits invented
    where there is none (or read twice), column 10 counts digits missed.
    """
    counts = np.zeros((11, 11), dtype=np.int64)
    for reading, record, target in zip(readings, records, targets, strict=True):
        order = np.argsort(-record["scores"][reading.indices].numpy())
        surest = reading.indices[order]
        read = reading_labels(reading, record["labels"])[order] - 1
        truth = target["labels"].numpy() - 1
        shown = match(record["boxes"][surest].numpy(), target["boxes"].numpy())
        for digit, index in zip(read, shown, strict=True):
            counts[truth[index] if index >= 0 else NONE, digit] += 1
        for index in set(range(len(truth))) - set(shown.tolist()):
            counts[truth[index], NONE] += 1
    return counts


def _height(target: Target) -> float:
    """Mean height of a photo's digits in pixels; NaN, which no bin holds, without digits."""
    boxes = target["boxes"]
    return float((boxes[:, 3] - boxes[:, 1]).mean()) if len(boxes) else float("nan")
