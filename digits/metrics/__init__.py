"""Figures: of whole numbers, of confidences, of boxes by their height."""

from digits.metrics.confidence import coverage_at, coverage_curve, expected_calibration_error
from digits.metrics.heights import HEIGHTS, map_by_height
from digits.metrics.numbers import NumberAccuracy

__all__ = [
    "HEIGHTS",
    "NumberAccuracy",
    "coverage_at",
    "coverage_curve",
    "expected_calibration_error",
    "map_by_height",
]
