"""Group and name the figures of metrics.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

NAMES = {
    "map": "mAP",
    "map_raw": "mAP as detected",
    "map_refined": "mAP refined",
    "map_averaged": "mAP averaged",
    "map_50": "AP at IoU 0.5",
    "map_75": "AP at IoU 0.75",
    "number_accuracy": "number accuracy",
    "digit_error_rate": "digit error rate",
    "coverage_at_98": "coverage at 98 % right",
    "expected_calibration_error": "expected calibration error",
    "accepted": "numbers accepted",
    "nll": "nats per number",
    "photos": "photos",
    "photos_per_second": "photos per second",
    "epochs": "epochs",
    "minutes": "minutes of training",
    "parameters": "parameters",
}
HEADLINES = ("map", "number_accuracy", "coverage_at_98", "accepted", "photos", "photos_per_second")
_BARS = {
    "map_digit_": "AP of each digit",
    "map_height_": "mAP by the height of digits (pixels)",
    "accuracy_height_": "Numbers right, by the height of digits (pixels)",
    "accuracy_": "Numbers right, by their length",
}
_BINS = (0, 0.5, 0.8, 0.9, 0.95, 0.98, 1)  # of confidence


@dataclass(frozen=True)
class Bars:
    """Shares in [0, 1] by name."""

    title: str
    shares: dict[str, float]


def title(name: str) -> str:
    """The name of a figure for people."""
    return NAMES.get(name, name.replace("_", " "))


def shown(value: float, name: str) -> str:
    """A figure for people."""
    if name == "coverage_at_98":
        return f"{100 * value:.1f} %"
    if name == "photos_per_second":
        return f"{value:,.1f}"
    if float(value).is_integer() and name not in HEADLINES[:2]:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def split(metrics: Mapping[str, Any]) -> tuple[dict[str, float], list[Bars]]:
    """Split metrics into single figures and groups of similar ones."""
    numbers = {
        name: float(value)
        for name, value in metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    groups: dict[str, dict[str, float]] = {prefix: {} for prefix in _BARS}
    single = {}
    for name, value in numbers.items():
        prefix = next((prefix for prefix in _BARS if name.startswith(prefix)), None)
        if prefix:
            groups[prefix][_bin(name.removeprefix(prefix))] = value
        else:
            single[name] = value
    return single, [Bars(_BARS[prefix], shares) for prefix, shares in groups.items() if shares]


def sureness(confidence: Sequence[float]) -> Bars:
    """Shares of the photos by the confidence of their numbers."""
    counts, _ = np.histogram(confidence, _BINS)
    shares = counts / max(len(confidence), 1)
    names = [f"{low} to {high}" for low, high in pairwise(_BINS)]
    return Bars("Share of the photos by confidence", dict(zip(names, shares.tolist(), strict=True)))


def _bin(name: str) -> str:
    low, _, high = name.partition("_")
    if high == "up":
        return f"{low} and more"
    return f"{low} to {high}" if high.isdecimal() else name.replace("_", " ")
