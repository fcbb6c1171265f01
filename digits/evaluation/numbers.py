"""Metrics of whole numbers."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.text.edit import edit_distance


class NumberAccuracy(Metric):
    """Digit-sequence accuracy: the share of photos whose whole number is read exactly.

    As input to `forward` and `update`:

    - preds: sequence of N read numbers, text; `-1` stands for no digit.
    - target: sequence of N true numbers, text; leading zeros count.

    As output of `forward` and `compute`, a dictionary of scalar tensors:

    - number_accuracy: exact matches / photos (the leaderboard's figure); 0 without photos.
    - digit_error_rate: edit distance (insertions, deletions, substitutions) summed over photos
      / true digits; the counterpart of the word error rate.

    Example:
        >>> metric = NumberAccuracy()
        >>> metric.update(["12", "7"], ["12", "71"])
        >>> {name: round(float(value), 2) for name, value in metric.compute().items()}
        {'number_accuracy': 0.5, 'digit_error_rate': 0.25}
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    photos: Tensor
    exact: Tensor
    edits: Tensor
    digits: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("photos", "exact", "edits", "digits"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Sequence[str], target: Sequence[str]) -> None:
        """Add photos.

        Raises:
            ValueError: the sequences have different lengths.
        """
        if len(preds) != len(target):
            raise ValueError(
                "Expected argument `preds` and `target` to have the same length, but got "
                f"{len(preds)} and {len(target)}"
            )
        if not preds:
            return
        # "-1" is the format's word for nothing: two characters, no digits.
        read = ["" if number == "-1" else number for number in preds]
        self.photos += len(read)
        self.exact += sum(p == t for p, t in zip(read, target, strict=True))
        self.edits += int(edit_distance(read, list(target), reduction="sum"))
        self.digits += sum(map(len, target))

    def compute(self) -> dict[str, Tensor]:
        """The two figures over all photos seen, on all processes."""
        return {
            "number_accuracy": self.exact / self.photos.clamp(min=1),
            "digit_error_rate": self.edits / self.digits.clamp(min=1),
        }


def number_figures(preds: Sequence[str], target: Sequence[str]) -> dict[str, float]:
    """What `NumberAccuracy` says of all photos, here in one process."""
    metric = NumberAccuracy(sync_on_compute=False)
    metric.update(preds, target)
    return {name: float(value) for name, value in metric.compute().items()}
