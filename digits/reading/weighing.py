"""Decide by weighted evidence which boxes are digits, and how sure the number is."""

import math
from dataclasses import dataclass

import numpy as np

from digits.errors import DigitsError
from digits.geometry import reading_order
from digits.reading.base import ReaderState
from digits.reading.features import NAMES, Candidates
from digits.types import number_of

OUTCOMES = ("nothing", "right", "wrong")  # no digit there, the digit it says, another digit
NOTHING, RIGHT, WRONG = range(3)


@dataclass(frozen=True)
class Decision:
    """The most probable number of a photo's candidates.

    Attributes:
        kept: which candidates are digits, in reading order, int64 `(K,)`, at least one.
        number: their digits, as text.
        log_odds: of all decisions being right, taken as independent.
        runner_up: the number that one other decision makes, the most probable; may be empty.
    """

    kept: np.ndarray
    number: str
    log_odds: float
    runner_up: str


class Weights:
    """The weights of a fitted reader, ready to weigh evidence.

    Args:
        state: of a calibrated reader.

    Raises:
        DigitsError: they belong to other evidence than this version gathers.
    """

    def __init__(self, state: ReaderState) -> None:
        if state.get("features") != list(NAMES):
            raise DigitsError(
                f"The stored calibration weighs {state.get('features')}, expected {list(NAMES)}; "
                "it is of another version: train again, fit the checkpoint anew "
                "(python -m digits.calibrate), or say reading=threshold."
            )
        self.score_scale = float(state["score_scale"])
        self._mean, self._spread = np.array(state["mean"]), np.array(state["spread"])
        self._weights, self._bias = np.array(state["weights"]).T, np.array(state["bias"])
        self._slope, self._offset = state.get("number", (1.0, 0.0))
        texts = state.get("texts")
        self.texts = None if texts is None else np.array(texts["weights"])
        self._text_number: list[float] = texts["number"] if texts else [1.0, 0.0]

    def probabilities(self, evidence: np.ndarray) -> np.ndarray:
        """Probabilities `(K, 3)` of the `OUTCOMES` of boxes with evidence `(K, F)`."""
        logits = (evidence - self._mean) / self._spread @ self._weights + self._bias
        odds = np.maximum(np.exp(logits - logits.max(axis=1, keepdims=True)), 1e-9)
        shares: np.ndarray = odds / odds.sum(axis=1, keepdims=True)
        return shares

    def confidence(self, log_odds: float) -> float:
        """The probability that a number is right, in [0, 1]."""
        return _sigmoid(self._slope * log_odds + self._offset)

    def text_confidence(self, log_odds: float) -> float:
        """The same of a string that detector and recogniser were asked about."""
        slope, offset = self._text_number
        return _sigmoid(slope * log_odds + offset)


def decide(photo: Candidates, chances: np.ndarray) -> Decision:
    """Keep a box where that makes the number more probable than leaving it out; never nothing.

    A box on a digit of doubtful class is kept even when its class is more likely wrong than right:
    without it the number is wrong for certain.

    Args:
        photo: at least one candidate.
        chances: probabilities `(K, 3)` of the `OUTCOMES`.
    """
    logs = np.log(chances)
    gain = logs[:, RIGHT] - logs[:, NOTHING]  # of keeping a box over dropping it
    keep = gain > 0
    if not keep.any():
        keep[gain.argmax()] = True
    total = float(np.where(keep, logs[:, RIGHT], logs[:, NOTHING]).sum())
    kept = _in_order(photo, keep)
    runner_up = _runner_up(photo, logs, gain, keep)
    return Decision(kept, number_of(photo.labels[kept]), log_odds(total), runner_up)


def _runner_up(photo: Candidates, logs: np.ndarray, gain: np.ndarray, keep: np.ndarray) -> str:
    """The number after the best single change: add a box, drop one, or take its second class."""
    flip = -np.abs(gain)
    flip[~keep] = gain[~keep]
    if keep.sum() == 1:
        flip[keep] = -np.inf  # never nothing
    swap = logs[:, WRONG] + np.log(np.maximum(photo.second_share, 1e-9)) - logs[:, RIGHT]
    swap[~keep | (photo.second == 0)] = -np.inf
    if max(flip.max(), swap.max()) == -np.inf:
        return ""
    keep, labels = keep.copy(), photo.labels.copy()
    if flip.max() >= swap.max():
        keep[flip.argmax()] ^= True
    else:
        labels[swap.argmax()] = photo.second[swap.argmax()]
    return number_of(labels[_in_order(photo, keep)])


def _in_order(photo: Candidates, keep: np.ndarray) -> np.ndarray:
    kept: np.ndarray = np.flatnonzero(keep)
    return np.asarray(kept[reading_order(photo.boxes[kept])])


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-min(max(value, -30), 30)))


def log_odds(log_probability: float) -> float:
    """The log-odds of a probability, finite where it is 1."""
    log_probability = min(log_probability, -1e-9)
    return log_probability - math.log(-math.expm1(log_probability))
