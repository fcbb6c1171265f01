"""The reader that was fitted to labelled detections."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from digits.errors import DigitsError
from digits.reading.base import Reader
from digits.types import Reading, check_share, to_reading
from digits.reading.features import NAMES, candidates
from digits.reading.fit import fit
from digits.reading.rules import ThresholdReader
from digits.reading.weighing import Weights, decide


class CalibratedReader(Reader):
    """Reads the most probable number, and says how probable it is.

    One box per place, whatever the classes; then for each the probabilities that it is nothing,
    the digit it says, or another digit, weighed from its score, its rivals, and its fit to the
    row; a box is read where that makes the whole number more probable, never none. The weights
    belong to the detections they were fitted to: those of one checkpoint, or of one fusion.

    Args:
        nms_iou: of two boxes that overlap more, whatever their classes, the surer stays.
        score_threshold: used while nothing is fitted, as by `ThresholdReader`.
        min_photos: labelled photos that a fit needs; with fewer, the threshold reads.
        ignore: names of evidence to leave out of a fit (`digits.reading.features.NAMES`).
        fitted: plain numbers of an earlier fit (`CalibratedReader.fitted`).

    Raises:
        DigitsError: unknown evidence, or `fitted` is not what this version fits.
    """

    def __init__(
        self,
        nms_iou: float = 0.4,
        score_threshold: float = 0.5,
        min_photos: int = 50,
        ignore: Sequence[str] = (),
        fitted: dict[str, Any] | None = None,
    ) -> None:
        check_share("nms_iou", nms_iou)
        strangers = sorted(set(ignore) - set(NAMES))
        if strangers:
            raise DigitsError(
                f"reading.ignore: unknown evidence {strangers[0]!r}; there is {', '.join(NAMES)}."
            )
        self.ignore = tuple(ignore)
        self.rule = ThresholdReader(score_threshold, nms_iou)
        self.nms_iou = nms_iou
        self.min_photos = min_photos
        self._fitted = fitted
        self._weights = None if fitted is None else Weights(fitted)

    @property
    def description(self) -> str:
        if self._fitted is None:
            return f"{self.rule.description} (not calibrated: takes {self.min_photos} photos)"
        return f"calibrated on {self._fitted['photos']} photos"

    @property
    def fitted(self) -> dict[str, Any] | None:
        return self._fitted

    def fitted_to(
        self, records: Sequence[dict[str, Any]], targets: Sequence[dict[str, Any]]
    ) -> "CalibratedReader":
        """The reader fitted to labelled detections; with too few to learn from, the threshold's."""
        settings: dict[str, Any] = {
            "nms_iou": self.nms_iou,
            "min_photos": self.min_photos,
            "ignore": list(self.ignore),
        }
        found = None
        if sum(len(record["boxes"]) > 0 for record in records) >= self.min_photos:
            found = fit(records, targets, self.nms_iou, self.ignore) | {"settings": settings}
        return CalibratedReader(**settings, score_threshold=self.rule.score_threshold, fitted=found)

    def with_fit(self, fitted: dict[str, Any] | None) -> "CalibratedReader":
        """The reader with an earlier fit and the settings of that fit: its weights need them."""
        if fitted is None:
            return self
        threshold = self.rule.score_threshold
        return CalibratedReader(**fitted["settings"], score_threshold=threshold, fitted=fitted)

    def read(self, detections: dict[str, Any]) -> Reading:
        if self._weights is None:
            return self.rule.read(detections)
        photo = candidates(detections, self.nms_iou, self._weights.score_scale)
        if not len(photo.indices):
            return to_reading(detections, np.zeros(0, dtype=np.int64), 0.0)
        decision = decide(photo, self._weights.probabilities(photo.evidence))
        return to_reading(
            detections,
            photo.indices[decision.kept],
            self._weights.confidence(decision.log_odds),
            decision.runner_up,
        )
