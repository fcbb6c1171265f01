"""Readers by fixed rules: one threshold, or a cascade of them."""

from collections.abc import Sequence

import numpy as np

from digits.geometry import by_score, overlaps, reading_order, suppress
from digits.reading.base import Reader, as_arrays, to_reading
from digits.types import MAX_BOXES, Detections, Reading


class CascadeReader(Reader):
    """Class-agnostic suppression, then the highest threshold that any box reaches.

    The rule of the leaderboard's best (0.8 > 0.6 > 0.3 > best box). A photo of SVHN never has no
    digit, so where every box falls below the last threshold, the best box is read.

    Args:
        score_thresholds: falling; boxes at least as sure as the first that any box reaches are
            read.
        nms_iou: of two boxes that overlap more, whatever their classes, the surer stays. No two
            digits of one photo overlap by more than 0.4 in 99.96 % of SVHN train.
    """

    def __init__(
        self, score_thresholds: Sequence[float] = (0.8, 0.6, 0.3), nms_iou: float = 0.4
    ) -> None:
        if list(score_thresholds) != sorted(score_thresholds, reverse=True):
            raise ValueError(
                "Expected argument `score_thresholds` to fall, as in [0.8, 0.6, 0.3], but got "
                f"{list(score_thresholds)}"
            )
        self.score_thresholds = tuple(score_thresholds)
        self.nms_iou = nms_iou

    @property
    def description(self) -> str:
        return "cascade of " + " > ".join(f"{t:g}" for t in self.score_thresholds)

    def read(self, detections: Detections) -> Reading:
        boxes, scores, labels = as_arrays(detections)
        order = by_score(boxes, scores, labels)[:MAX_BOXES]
        iou = overlaps(boxes[order], boxes[order])
        kept = order[suppress(np.arange(len(order)), iou, self.nms_iou)]
        chosen = kept[:1]
        for threshold in self.score_thresholds:
            # float32, as the scores were: a score of 0.3 reaches a threshold of 0.3
            sure = kept[scores[kept] >= np.float32(threshold)]
            if len(sure):
                chosen = sure
                break
        weakest = float(scores[chosen].min()) if len(chosen) else 0.0
        return to_reading(detections, chosen[reading_order(boxes[chosen])], weakest)


class ThresholdReader(CascadeReader):
    """Class-agnostic suppression, one score threshold.

    The rule of the report, with one correction: where every box falls below the threshold, the
    best box is read.

    Args:
        score_threshold: boxes at least this sure are read.
        nms_iou: as in `CascadeReader`.
    """

    def __init__(self, score_threshold: float = 0.5, nms_iou: float = 0.4) -> None:
        super().__init__((score_threshold,), nms_iou)
        self.score_threshold = score_threshold

    @property
    def description(self) -> str:
        return f"threshold {self.score_threshold:g}"
