import made
import pytest
import torch

from digits.types import number_of, target_number


@pytest.mark.parametrize(
    ("labels", "number"), [([], ""), ([1], "0"), ([1, 1, 8], "007"), ([10, 2], "91")]
)
def test_labels_are_digits_plus_one(labels: list[int], number: str) -> None:
    assert number_of(labels) == number_of(torch.tensor(labels, dtype=torch.int64)) == number


def test_a_target_reads_from_left_to_right_and_ties_keep_their_order() -> None:
    lefts = [30.0, 5.0, 20.0, 5.0]
    target = made.target([[x, 0, x + 9, 9] for x in lefts], [4, 1, 3, 2])
    assert target_number(target) == "0123"


def test_a_target_without_digits_is_no_number() -> None:
    assert target_number(made.target()) == ""
