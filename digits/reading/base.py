"""What a reader takes and returns."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from digits.types import NO_NUMBER, number_of


class Reader(ABC):
    """Detections of one photo to a number.

    Detections hold `boxes` `(N, 4)` xyxy in pixels, `scores` `(N,)` in [0, 1], `labels` `(N,)` in
    1..10, and optionally `votes` `(N,)`, the number of models that agree on a box.
    """

    @property
    @abstractmethod
    def description(self) -> str:
        """How numbers are read, in a few words for people."""

    @abstractmethod
    def read(self, detections: dict[str, Any]) -> Reading:
        """The number, its boxes and its confidence; a digit wherever there is a box."""

    def select(self, detections: dict[str, Any]) -> Tensor:
        """Indices of the boxes that are read, int64 `(K,)`, in reading order."""
        return self.read(detections).indices

    def __call__(self, detections: dict[str, Any]) -> str:
        """The number as text, or `-1` where there are no boxes at all."""
        return self.read(detections).number

    def fitted_to(
        self, records: Sequence[dict[str, Any]], targets: Sequence[dict[str, Any]]
    ) -> "Reader":
        """The reader fitted to labelled detections; a rule has nothing to fit."""
        return self

    @property
    def fitted(self) -> dict[str, Any] | None:
        """What was fitted, as plain data for a checkpoint; `None` where nothing was."""
        return None

    def with_fit(self, fitted: dict[str, Any] | None) -> "Reader":
        """The reader with what was fitted before; a rule needs nothing of it."""
        return self


def as_arrays(detections: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes float64 `(N, 4)`, scores float64 `(N,)` and labels int64 `(N,)`, on the CPU."""
    boxes, scores, labels = (detections[key].cpu() for key in ("boxes", "scores", "labels"))
    return boxes.double().numpy(), scores.double().numpy(), labels.numpy()


def to_reading(
    detections: dict[str, Any], chosen: np.ndarray, confidence: float, runner_up: str = ""
) -> Reading:
    """The reading of boxes chosen, in the order given."""
    indices = torch.from_numpy(chosen)
    number = number_of(detections["labels"].cpu()[indices]) or NO_NUMBER
    return Reading(number, indices, confidence, runner_up)


def check_share(name: str, value: float) -> None:
    """Refuse an argument outside [0, 1].

    Raises:
        ValueError: names the argument and its value.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"Expected argument `{name}` in [0, 1] but got {value}")
