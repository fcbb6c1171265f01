"""The evidence for and against each box, which the calibrated reader weighs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from digits.geometry import by_score, overlaps, suppress
from digits.reading.base import as_arrays
from digits.reading.placement import lengths, row, surer_neighbours
from digits.types import MAX_BOXES

# Where a box stands in the photo is left out on purpose: valid photos are cropped more tightly
# around the number than the test photos are, and a reader should not learn the crop.
NAMES = (
    "score",  # log-odds of its score, as a share of the surest scores of the split
    "relative_score",  # log of its score over the best of the photo
    "any_class",  # log-odds that something is there: its score and those of other classes
    "second_class",  # log of the best other class's score there over its own
    "rank",  # log of its rank in the photo
    "height",  # |log(height / the row's)|
    "taller",  # log(height / the row's)
    "line",  # distance from the row's line, in its heights
    "covered",  # share of it that lies in a surer box
    "covers",  # share of a surer box that lies in it
    "gap",  # distance to the nearest surer box, in its heights
    "shape",  # |log(height / width / the usual 2.07)|
    "votes",  # log of the number of models that agree
)
_SCORE, _ANY_CLASS = NAMES.index("score"), NAMES.index("any_class")
_MAX_CANDIDATES = 10  # candidates per photo
_MIN_RELATIVE_SCORE = 0.003  # of a box, over the photo's best: the scale does not matter
_SAME_PLACE = 0.5  # intersection over union above which two boxes are readings of one place
_USUAL_SHAPE = 2.07  # height / width, median of SVHN train
_MIN_SHARE = 1e-4


@dataclass(frozen=True)
class Candidates:
    """The boxes of a photo that may be digits, the surest first.

    Attributes:
        indices: into the detections, int64 `(K,)`; K is 0 only where there are no boxes.
        boxes: `(K, 4)`.
        labels: int64 `(K,)`.
        evidence: `(K, len(NAMES))`.
        second: the label of the next best class there, int64 `(K,)`, 0 where there is none.
        second_share: its part of the scores of all other classes there, `(K,)`.
    """

    indices: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    evidence: np.ndarray
    second: np.ndarray
    second_share: np.ndarray


class Prepared(dict[str, Any]):
    """Detections of a photo with their places, for readers that are fitted to it again and again.

    Args:
        detections: of the photo.
        nms_iou: as in `candidates`.
    """

    def __init__(self, detections: Mapping[str, Any], nms_iou: float) -> None:
        super().__init__(detections)
        self.nms_iou = nms_iou
        self.places = _places(detections, nms_iou)


def candidates(detections: Mapping[str, Any], nms_iou: float, score_scale: float) -> Candidates:
    """Suppress boxes whatever their classes, and keep what the losers say as evidence.

    Args:
        detections: of one photo.
        nms_iou: of two boxes that overlap more, the surer stays.
        score_scale: what the surest scores of the split are, so that rescaled scores (a fusion's)
            mean the same.
    """
    if isinstance(detections, Prepared) and detections.nms_iou == nms_iou:
        places = detections.places
    else:
        places = _places(detections, nms_iou)
    found = places.candidates
    evidence = found.evidence.copy()
    evidence[:, _SCORE] = _log_odds(places.scores / score_scale)
    evidence[:, _ANY_CLASS] = _log_odds((places.scores + places.others) / score_scale)
    return replace(found, evidence=evidence)


@dataclass(frozen=True)
class _Places:
    """Candidates before it is known what scores are worth.

    Attributes:
        candidates: without the evidence that depends on it.
        scores: of the candidates, `(K,)`.
        others: of all other classes at their places, `(K,)`.
    """

    candidates: Candidates
    scores: np.ndarray
    others: np.ndarray


def _places(detections: Mapping[str, Any], nms_iou: float) -> _Places:
    boxes, scores, labels = as_arrays(detections)
    likely = by_score(boxes, scores, labels)[:MAX_BOXES]
    likely = likely[scores[likely] >= _MIN_RELATIVE_SCORE * scores.max(initial=0)]
    boxes, scores, labels = boxes[likely], scores[likely], labels[likely]
    iou = overlaps(boxes, boxes)
    kept = suppress(np.arange(len(likely)), iou, nms_iou)[:_MAX_CANDIDATES]
    own, mine, indices = boxes[kept], np.maximum(scores[kept], 1e-12), likely[kept]
    votes = (
        np.asarray(detections["votes"])[indices] if "votes" in detections else np.ones(len(kept))
    )

    classes = _scores_by_class(iou[kept], scores, labels)
    rows = np.arange(len(kept))
    classes[rows, labels[kept]] = 0
    second, others = classes.argmax(axis=1), classes.sum(axis=1)
    second_score = classes[rows, second]
    height, line = row(own, mine)
    covered, covers, gap = surer_neighbours(own)
    sides = lengths(own[:, 2:] - own[:, :2])
    columns = {
        "relative_score": np.log(mine / mine[:1]),
        "second_class": np.log(np.clip(second_score / mine, 0.003, 1)),
        "rank": np.log1p(rows),
        "height": np.abs(height),
        "taller": height,
        "line": line,
        "covered": covered,
        "covers": covers,
        "gap": gap,
        "shape": np.abs(np.log(sides[:, 1] / sides[:, 0] / _USUAL_SHAPE)).clip(0, 2),
        "votes": np.log(np.maximum(votes, 1)),
    }
    share = np.divide(second_score, others, out=np.zeros(len(kept)), where=others > 0)
    evidence = np.stack([columns.get(name, np.zeros(len(kept))) for name in NAMES], axis=1)
    found = Candidates(indices, own, labels[kept], evidence, second, share)
    return _Places(found, mine, others)


def _scores_by_class(iou: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Best score of every class at the place of every candidate, `(K, 11)`."""
    best = np.zeros((len(iou), 11))
    candidate, box = np.nonzero(iou > _SAME_PLACE)
    rising = np.argsort(scores[box], kind="stable")  # of several boxes, the best is written last
    best[candidate[rising], labels[box[rising]]] = scores[box[rising]]
    return best


def _log_odds(shares: np.ndarray) -> np.ndarray:
    shares = shares.clip(_MIN_SHARE, 1 - 1e-3)
    odds: np.ndarray = np.log(shares / (1 - shares))
    return odds
