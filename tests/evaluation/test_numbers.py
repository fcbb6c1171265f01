import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.evaluation.numbers import number_figures

number = st.text("0123456789", min_size=1, max_size=5)
pairs = st.lists(st.tuples(number | st.just("-1"), number), max_size=8)


def figures(*photos: tuple[str, str]) -> tuple[float, float]:
    values = number_figures([read for read, _ in photos], [truth for _, truth in photos])
    assert values.keys() == {"number_accuracy", "digit_error_rate"}
    return values["number_accuracy"], values["digit_error_rate"]


@pytest.mark.parametrize(
    ("read", "truth", "accuracy", "edits"),
    [
        ("12", "12", 1, 0),
        ("007", "007", 1, 0),
        ("07", "7", 0, 1),  # leading zeros count
        ("7", "007", 0, 2),
        ("0", "0", 1, 0),
        ("-1", "123", 0, 3),  # no digit read: three deletions
        ("21", "12", 0, 2),
        ("1234", "12", 0, 2),
        ("13", "123", 0, 1),
        ("9", "8", 0, 1),
        ("-1", "1", 0, 1),  # not an insertion of a minus
    ],
)
def test_one_photo(read: str, truth: str, accuracy: float, edits: int) -> None:
    assert figures((read, truth)) == pytest.approx((accuracy, edits / len(truth)))


def test_photos_weigh_the_same_for_accuracy_and_digits_for_the_error_rate() -> None:
    assert figures(("1", "1"), ("2345", "2346"), ("-1", "77")) == pytest.approx((1 / 3, 3 / 7))


def test_a_photo_truly_without_digits_is_right_when_none_is_read() -> None:
    assert figures(("-1", ""), ("5", "")) == pytest.approx((0.5, 1.0))


def test_no_photos_score_nothing() -> None:
    assert figures() == (0, 0)


@settings(max_examples=30, deadline=None)
@given(photos=pairs)
def test_the_order_of_photos_does_not_matter_and_figures_stay_in_range(
    photos: list[tuple[str, str]],
) -> None:
    accuracy, error = figures(*photos)
    assert figures(*reversed(photos)) == pytest.approx((accuracy, error))
    assert 0 <= accuracy <= 1 and error >= 0
    assert (error == 0) == (accuracy == 1 or not photos)


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError):
        number_figures(["1", "2"], ["1"])
