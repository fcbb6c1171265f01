"""What is wrong with a number that was read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digits.report.mistakes import KINDS, mistakes

NUMBERS = st.text("0123456789", max_size=5)


@pytest.mark.parametrize(
    ("number", "truth", "expected"),
    [
        ("12", "12", []),
        ("-1", "", []),
        ("-1", "7", ["missed"]),
        ("7", "", ["invented"]),
        ("1", "12", ["missed"]),
        ("123", "12", ["invented"]),
        ("17", "12", ["confused"]),
        ("21", "12", ["order"]),
        ("173", "12", ["invented", "confused"]),
    ],
)
def test_mistakes_are_named(number: str, truth: str, expected: list[str]) -> None:
    assert mistakes(number, truth) == expected


@given(NUMBERS, NUMBERS)
def test_every_wrong_number_has_a_mistake_that_its_length_allows(number: str, truth: str) -> None:
    found = mistakes(number, truth)
    assert bool(found) == (number != truth)
    assert [kind for kind in KINDS if kind in found] == found  # each once, in one order
    if len(number) < len(truth):
        assert "missed" in found
    if len(number) > len(truth):
        assert "invented" in found
    if "order" in found:
        assert found == ["order"] and sorted(number) == sorted(truth)
