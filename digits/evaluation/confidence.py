"""Metrics of confidences: coverage at an accuracy, expected calibration error."""

import numpy as np


def coverage_curve(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy over the surest photos, for every number of them.

    Equally sure photos are accepted together: no threshold can tell them apart.

    Args:
        confidence: `(N,)`.
        right: bool `(N,)`.

    Returns:
        Coverage (share of photos accepted, rising) and accuracy among them, both `(M,)`.
    """
    order = np.argsort(-confidence, kind="stable")
    count = np.arange(1, len(order) + 1)
    accuracy = np.cumsum(right[order]) / count
    last = np.append(np.diff(confidence[order]) != 0, True)[: len(order)]
    return count[last] / max(len(order), 1), accuracy[last]


def coverage_at(confidence: np.ndarray, right: np.ndarray, accuracy: float = 0.98) -> float:
    """Largest share of photos that a confidence threshold accepts at this accuracy.

    The figure of Goodfellow et al. 2013 (arXiv 1312.6082), who name 98 % human accuracy; arguments
    as in `coverage_curve`.
    """
    coverage, reached = coverage_curve(confidence, right)
    return float(coverage[reached >= accuracy].max(initial=0.0))


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Mean distance between confidence and accuracy over bins of equally many photos.

    Guo et al. 2017 (arXiv 1706.04599), with bins of equal mass rather than of equal width.

    Args:
        confidence: `(N,)` in [0, 1].
        right: bool `(N,)`.
        bins: fewer where there are fewer photos.
    """
    if not len(confidence):
        return 0.0
    order = np.argsort(confidence, kind="stable")
    groups = np.array_split(order, min(bins, len(order)))
    gaps = [len(g) * abs(float(confidence[g].mean()) - float(right[g].mean())) for g in groups]
    return float(sum(gaps) / len(order))


def calibration_error_by_chance(confidence: np.ndarray) -> float:
    """The error that perfectly calibrated confidences show on average on so few photos.

    A figure of `expected_calibration_error` can be told from 0 only where it is above this one;
    confidences `(N,)`, as there.
    """
    rng = np.random.default_rng(0)
    drawn = rng.random((500, len(confidence))) < confidence
    return float(np.mean([expected_calibration_error(confidence, r) for r in drawn]))
