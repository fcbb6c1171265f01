"""Plot coverage, reliability and confusion."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from digits.evaluation.confidence import coverage_at, coverage_curve, expected_calibration_error
from digits.io import partial_path
from digits.types import CLASS_NAMES


def save_figure(path: Path, figure: Figure) -> Path:
    """Save a figure as a PNG, which is there only when it is whole."""
    with partial_path(path) as partial:
        figure.savefig(partial, dpi=100, format="png")
    return path


def save_confidence(
    path: Path, confidence: Sequence[float], right: Sequence[bool], confusion: Sequence[Any]
) -> Path:
    """Save a picture of what confidences are worth, and of which digits are confused.

    Args:
        path: of the picture.
        confidence: of each photo's number, in [0, 1].
        right: whether that number is.
        confusion: counts `(11, 11)`, true digit by digit read, the last for none.
    """
    figure = Figure(figsize=(13, 4.2), layout="tight")
    axes = figure.subplots(1, 3)
    sure, good = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=bool)
    draw_coverage(axes[0], sure, good)
    draw_reliability(axes[1], sure, good)
    _draw_confusion(axes[2], np.asarray(confusion))
    return save_figure(path, figure)


def save_coverage(path: Path, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Path:
    """Save coverage curves: per name, confidences `(N,)` and whether each number is right."""
    figure = Figure(figsize=(6.5, 4.5), layout="tight")
    axis = figure.subplots()
    for name, (confidence, right) in curves.items():
        coverage, accuracy = coverage_curve(confidence, right)
        axis.step(100 * coverage, 100 * accuracy, where="pre", label=name)
    axis.axhline(98, color="gray", lw=0.8, ls="--")
    axis.set(xlabel="photos accepted, the surest first (%)", ylabel="numbers right (%)")
    axis.legend(fontsize=8)
    return save_figure(path, figure)


def draw_coverage(axis: Any, confidence: np.ndarray, right: np.ndarray) -> None:
    """Accuracy over the share of photos accepted, and the share at 98 % accuracy.

    Args:
        axis: of matplotlib.
        confidence: `(N,)` in [0, 1].
        right: bool `(N,)`.
    """
    coverage, accuracy = coverage_curve(confidence, right)
    share = coverage_at(confidence, right)
    axis.step(100 * coverage, 100 * accuracy, where="pre")
    axis.axhline(98, color="gray", lw=0.8, ls="--")
    axis.axvline(100 * share, color="gray", lw=0.8, ls="--")
    axis.set_title(f"98 % right at a coverage of {100 * share:.1f} %", fontsize=10)
    axis.set(xlabel="photos accepted, the surest first (%)", ylabel="numbers right (%)")
    axis.set_xlim(0, 100)


def draw_reliability(axis: Any, confidence: np.ndarray, right: np.ndarray) -> None:
    """How often numbers are right at which confidence, in tenths of the photos.

    Arguments as in `draw_coverage`.
    """
    groups = [g for g in np.array_split(np.argsort(confidence, kind="stable"), 10) if len(g)]
    stated = [100 * confidence[g].mean() for g in groups]
    true = [100 * right[g].mean() for g in groups]
    error = expected_calibration_error(confidence, right)
    axis.plot([0, 100], [0, 100], color="gray", lw=0.8, ls="--")
    axis.plot(stated, true, "o-")
    axis.set_title(f"expected calibration error {error:.3f}", fontsize=10)
    axis.set(xlabel="confidence (%), tenths of the photos", ylabel="numbers right (%)")


def _draw_confusion(axis: Any, counts: np.ndarray) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            shade = "white" if shares[row, column] > 0.5 else "black"
            axis.text(column, row, str(count), ha="center", va="center", fontsize=6, color=shade)
    axis.set_xticks(range(11), [*CLASS_NAMES, "missed"], rotation=90, fontsize=8)
    axis.set_yticks(range(11), [*CLASS_NAMES, "invented"], fontsize=8)
    axis.set(xlabel="read as", ylabel="true digit")
