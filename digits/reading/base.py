"""The interface of readers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from digits.types import NO_NUMBER, Detections, Reading, Target, number_of

ReaderState = dict[str, Any]
"""What a reader was fitted to, as plain numbers and text: fit for JSON and for checkpoints."""


class Reader(ABC):
    """Detections of one photo to a number."""

    @property
    @abstractmethod
    def description(self) -> str:
        """How numbers are read, in a few words for people."""

    @abstractmethod
    def read(self, detections: Detections) -> Reading:
        """The number, its boxes and its confidence; a digit wherever there is a box."""

    def __call__(self, detections: Detections) -> str:
        """The number as text, or `-1` where there are no boxes at all."""
        return self.read(detections).number

    def fit(self, records: Sequence[Detections], targets: Sequence[Target]) -> "Reader":
        """A reader fitted to labelled detections; a rule has nothing to fit."""
        return self

    def prepared(self, records: Sequence[Detections]) -> Sequence[Detections]:
        """The same detections, to which readers of this kind are fitted many times in less time."""
        return records

    @property
    def state(self) -> ReaderState | None:
        """What was fitted; `None` where nothing was."""
        return None

    def load_state(self, state: ReaderState | None) -> "Reader":
        """A reader with the state of an earlier fit; a rule needs none of it."""
        return self


def without_texts(reader: Reader) -> Reader:
    """A reader for detections in which no recogniser has read any row."""
    state = reader.state
    return reader.load_state(state and {k: v for k, v in state.items() if k != "texts"})


def as_arrays(detections: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes float64 `(N, 4)`, scores float64 `(N,)` and labels int64 `(N,)`."""
    boxes, scores = (np.asarray(detections[key], dtype=np.float64) for key in ("boxes", "scores"))
    return boxes, scores, np.asarray(detections["labels"])


def to_reading(
    detections: Detections, chosen: np.ndarray, confidence: float, runner_up: str = ""
) -> Reading:
    """The reading of boxes with the indices `chosen`, in that order."""
    number = number_of(np.asarray(detections["labels"])[chosen]) or NO_NUMBER
    return Reading(number, chosen, confidence, runner_up)
