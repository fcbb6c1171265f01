import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.evaluation.confidence import (
    calibration_error_by_chance,
    coverage_at,
    coverage_curve,
    expected_calibration_error,
)

photos = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30)


def arrays(drawn: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([c for c, _ in drawn]), np.array([r for _, r in drawn])


@pytest.mark.parametrize(
    ("confidence", "right", "coverage"),
    [
        ([0.9, 0.8, 0.7, 0.6], [1, 1, 1, 1], 1.0),
        ([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1], 0.5),
        ([0.9, 0.8, 0.7, 0.6], [0, 1, 1, 1], 0.0),  # the surest is wrong
        ([0.9, 0.9, 0.7, 0.6], [1, 0, 1, 1], 0.0),  # equally sure: no threshold parts them
        ([0.9, 0.7, 0.7, 0.6], [1, 1, 0, 1], 0.25),
        ([], [], 0.0),
    ],
)
def test_coverage_at_98_percent(confidence: list[float], right: list[int], coverage: float) -> None:
    assert coverage_at(np.array(confidence), np.array(right, dtype=bool)) == coverage


@settings(max_examples=60, deadline=None)
@given(drawn=photos)
def test_the_coverage_curve_ends_at_all_photos_and_their_accuracy(
    drawn: list[tuple[float, bool]],
) -> None:
    confidence, right = arrays(drawn)
    coverage, accuracy = coverage_curve(confidence, right)
    assert coverage[-1] == 1 and accuracy[-1] == pytest.approx(right.mean())
    assert (np.diff(coverage) > 0).all()
    assert coverage_at(confidence, right, 0.0) == 1


def test_calibration_error() -> None:
    right = np.array([True, True, False, False])
    assert expected_calibration_error(right.astype(float), right) == 0
    assert expected_calibration_error(np.full(4, 0.5), right, bins=1) == 0
    assert expected_calibration_error(np.full(4, 0.9), right, bins=1) == pytest.approx(0.4)
    assert expected_calibration_error(np.zeros(0), np.zeros(0, dtype=bool)) == 0


@settings(max_examples=60, deadline=None)
@given(drawn=photos)
def test_the_calibration_error_is_a_share(drawn: list[tuple[float, bool]]) -> None:
    assert 0 <= expected_calibration_error(*arrays(drawn)) <= 1


def test_even_right_confidences_show_an_error_on_few_photos() -> None:
    few, many = (calibration_error_by_chance(np.full(n, 0.7)) for n in (100, 10000))
    assert 0.05 < few < 0.2 and many < 0.02
