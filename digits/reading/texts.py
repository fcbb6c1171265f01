"""Combine the recogniser's and the detector's evidence into the most probable number.

A number is read in one of a photo's rows. Which row, and what it says, is unknown, so each string
of digits gets the sum over rows of exp(weights x evidence); these sums, as shares, are its
probability. The weights are plain numbers, fitted to labelled photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from digits.geometry import overlaps
from digits.reading.features import Candidates
from digits.reading.weighing import RIGHT, WRONG, log_odds
from digits.types import RowTexts

EVIDENCE = (
    "row",  # log of how plausible the row is
    "text",  # log-probability of the string by the recogniser
    "digits",  # log-probability of the string by the detector's classes, where it has one a box
    "length",  # -1 where the string has more or fewer digits than the row has boxes
    "prior",  # log of the share of SVHN's numbers that have so many digits
)
# What the evidence weighs before any photo is seen, and how far that is from certain.
PRIOR = np.array([1.0, 0.6, 0.4, 1.5, 0.3])
# SVHN train: numbers of one digit, of two, and so on.
_LENGTHS = np.log([0.154, 0.543, 0.26, 0.043, 0.0005, 0.0002])
_SAME_PLACE = 0.5  # intersection over union above which a row's box is a candidate's
_UNSEEN = -12.0  # log-probability of a string that a row was not asked about


@dataclass(frozen=True)
class Rows:
    """A photo's rows and the strings that may be its number.

    Attributes:
        texts: C strings.
        places: per row the candidates that it is made of, in reading order; -1 where its box is
            none of them.
        evidence: `(H, C, len(EVIDENCE))`.
    """

    texts: list[str]
    places: list[np.ndarray]
    evidence: np.ndarray

    def log_shares(self, weights: np.ndarray) -> np.ndarray:
        """Log-probability of each string, `(C,)`."""
        total = np.logaddexp.reduce(self.evidence @ weights, axis=0)
        shares: np.ndarray = total - np.logaddexp.reduce(total)
        return shares


def gather(rows: Sequence[RowTexts], photo: Candidates, chances: np.ndarray) -> Rows:
    """The evidence of a photo's rows.

    Rows of the same candidates, as several recognisers and the members of a fusion give them, are
    one: their plausibilities add up, and the log-probabilities of a string are averaged.

    Args:
        rows: of the photo, at least one.
        photo: candidates of the detector.
        chances: their outcomes' probabilities, `(K, 3)`.
    """
    texts = sorted({text for row in rows for text in row["texts"]})
    same: dict[tuple[int, ...], list[RowTexts]] = {}
    for row in rows:
        boxes = np.asarray(row["boxes"], dtype=np.float64).reshape(-1, 4)
        iou = overlaps(boxes, photo.boxes) if len(photo.boxes) else np.zeros((len(boxes), 1))
        best = np.where(iou.max(axis=1) > _SAME_PLACE, iou.argmax(axis=1), -1)
        same.setdefault(tuple(best.tolist()), []).append(row)
    classes = _classes(photo, chances)
    evidence = np.zeros((len(same), len(texts), len(EVIDENCE)))
    for index, (places, group) in enumerate(same.items()):
        evidence[index, :, 0] = np.logaddexp.reduce([row["weight"] for row in group])
        evidence[index, :, 1] = [_mean(group, text) for text in texts]
        evidence[index, :, 2] = [
            classes[list(places), [int(digit) for digit in text]].sum()
            if len(text) == len(places)
            else 0.0
            for text in texts
        ]
        evidence[index, :, 3] = [-float(len(text) != len(places)) for text in texts]
    evidence[:, :, 4] = [_LENGTHS[min(max(len(text), 1), len(_LENGTHS)) - 1] for text in texts]
    return Rows(texts, [np.array(places, dtype=np.int64) for places in same], evidence)


@dataclass(frozen=True)
class TextDecision:
    """The most probable string of a photo's rows.

    Attributes:
        text: its digits.
        places: candidates of its row in reading order, those that there are, int64 `(K,)`.
        log_odds: of being right, before calibration.
        runner_up: the next most probable string; empty where there is none.
    """

    text: str
    places: np.ndarray
    log_odds: float
    runner_up: str


def decide_text(rows: Rows, weights: np.ndarray) -> TextDecision:
    """Read the most probable string, in the row that speaks most for it."""
    shares = rows.log_shares(weights)
    first, *others = np.argsort(-shares, kind="stable")[:2].tolist()
    text = rows.texts[first]
    support = rows.evidence[:, first] @ weights
    fits = np.array([len(places) == len(text) for places in rows.places])
    if fits.any():  # a box per digit, where any row has that
        support = np.where(fits, support, -np.inf)
    places = rows.places[int(support.argmax())]
    return TextDecision(
        text,
        places[places >= 0],
        log_odds(float(shares[first])),
        rows.texts[others[0]] if others else "",
    )


def _classes(photo: Candidates, chances: np.ndarray) -> np.ndarray:
    """Log-probability `(K + 1, 10)` of each digit at each candidate; last, where there is none."""
    right = chances[:, RIGHT] / (chances[:, RIGHT] + chances[:, WRONG])
    right = right.clip(1e-3, 1 - 1e-3)
    shares = np.repeat((1 - right)[:, None] * 0.3 / 9, 10, axis=1)
    rows = np.arange(len(right))
    shares[rows, photo.labels - 1] = right
    known = photo.second > 0
    share = (1 - right) * 0.7 * photo.second_share
    shares[rows[known], photo.second[known] - 1] += share[known]
    shares = np.concatenate([shares, np.full((1, 10), 0.1)])
    logs: np.ndarray = np.log(shares / shares.sum(axis=1, keepdims=True))
    return logs


def _mean(rows: Sequence[RowTexts], text: str) -> float:
    known = [row["texts"][text] for row in rows if text in row["texts"]]
    return sum(known) / len(known) if known else _UNSEEN
