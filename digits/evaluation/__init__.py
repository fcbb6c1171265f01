"""Figures: of whole numbers, of confidences, of boxes by their height."""

from typing import TYPE_CHECKING, Any

from digits.evaluation.confidence import coverage_at, coverage_curve, expected_calibration_error
from digits.evaluation.heights import HEIGHTS, map_by_height

if TYPE_CHECKING:
    from digits.evaluation.numbers import NumberAccuracy

__all__ = [
    "HEIGHTS",
    "NumberAccuracy",
    "coverage_at",
    "coverage_curve",
    "expected_calibration_error",
    "map_by_height",
]


def __getattr__(name: str) -> Any:
    # torchmetrics takes two seconds to import, and photos without labels need none of it.
    if name == "NumberAccuracy":
        from digits.evaluation.numbers import NumberAccuracy

        return NumberAccuracy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
