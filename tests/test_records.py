from typing import Any

import made
import pytest
import torch

from digits.errors import DigitsError
from digits.records import check_detections

GOOD: Any = made.detections([[0, 0, 1, 2], [1, 0, 2, 2]], [0.5, 0.4], [1, 10])


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("boxes", torch.zeros(2, 5), r"expected boxes of shape \(2, 4\), got \(2, 5\)"),
        ("scores", torch.zeros(3), r"expected scores of shape \(2,\), got \(3,\)"),
        ("labels", torch.ones(2, 1), r"expected labels of shape \(2,\), got \(2, 1\)"),
        ("boxes", torch.tensor([[0, 0, 1, float("nan")]] * 2), "expected finite boxes"),
        ("boxes", torch.tensor([[0, 0, 1, float("inf")]] * 2), "expected finite boxes"),
        ("scores", torch.tensor([0.5, 1.5]), r"expected scores in \[0, 1\], got 0.5..1.5"),
        ("scores", torch.tensor([-0.25, 1.0]), r"expected scores in \[0, 1\], got -0.25..1.0"),
        ("scores", torch.tensor([float("nan"), 1.0]), r"expected scores in \[0, 1\], got nan"),
        ("labels", torch.tensor([0, 10]), "expected labels in 1..10, got 0..10"),
        ("labels", torch.tensor([1, 11]), "expected labels in 1..10, got 1..11"),
    ],
)
def test_detections_that_break_the_contract_are_refused(
    field: str, value: torch.Tensor, says: str
) -> None:
    check_detections(GOOD, "here")
    with pytest.raises(DigitsError, match=f"^here: {says}"):
        check_detections(GOOD | {field: value}, "here")


def test_no_detections_are_fine() -> None:
    check_detections({name: values[:0] for name, values in GOOD.items()}, "here")
