"""The calibrated reader, fitted to labelled detections."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from digits.errors import DigitsError
from digits.reading.base import Reader, ReaderState, to_reading
from digits.reading.features import NAMES, Prepared, candidates
from digits.reading.fit import fit_weights
from digits.reading.rules import ThresholdReader
from digits.reading.texts import decide_text, gather
from digits.reading.weighing import Weights, decide
from digits.types import Detections, Reading, Target


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
        state: of an earlier fit (`CalibratedReader.state`).

    Raises:
        DigitsError: unknown evidence, or a state of another version.
    """

    def __init__(
        self,
        nms_iou: float = 0.4,
        score_threshold: float = 0.5,
        min_photos: int = 50,
        ignore: Sequence[str] = (),
        state: ReaderState | None = None,
    ) -> None:
        strangers = sorted(set(ignore) - set(NAMES))
        if strangers:
            raise DigitsError(
                f"reading.ignore: unknown evidence {strangers[0]!r}; there is {', '.join(NAMES)}."
            )
        self.ignore = tuple(ignore)
        self.rule = ThresholdReader(score_threshold, nms_iou)
        self.nms_iou = nms_iou
        self.min_photos = min_photos
        self._state = state
        self._weights = None if state is None else Weights(state)

    @property
    def description(self) -> str:
        if self._state is None:
            return f"{self.rule.description} (not calibrated: takes {self.min_photos} photos)"
        both = ", with what a recogniser reads" if "texts" in self._state else ""
        return f"calibrated on {self._state['photos']} photos{both}"

    @property
    def state(self) -> ReaderState | None:
        return self._state

    def fit(self, records: Sequence[Detections], targets: Sequence[Target]) -> "CalibratedReader":
        """The reader fitted to labelled detections; with too few to learn from, the threshold's."""
        state: ReaderState | None = None
        if sum(len(record["boxes"]) > 0 for record in records) >= self.min_photos:
            settings = {
                "nms_iou": self.nms_iou,
                "min_photos": self.min_photos,
                "ignore": list(self.ignore),
            }
            state = fit_weights(records, targets, self.nms_iou, self.ignore)
            state["settings"] = settings
        return CalibratedReader(
            self.nms_iou, self.rule.score_threshold, self.min_photos, self.ignore, state
        )

    def prepared(self, records: Sequence[Detections]) -> Sequence[Detections]:
        return [cast(Detections, Prepared(record, self.nms_iou)) for record in records]

    def load_state(self, state: ReaderState | None) -> "CalibratedReader":
        """The reader with an earlier fit and the settings of that fit: its weights need them."""
        if state is None:
            return self
        settings = state["settings"]
        return CalibratedReader(
            settings["nms_iou"],
            self.rule.score_threshold,
            settings["min_photos"],
            settings["ignore"],
            state,
        )

    def read(self, detections: Detections) -> Reading:
        if self._weights is None:
            return self.rule.read(detections)
        photo = candidates(detections, self.nms_iou, self._weights.score_scale)
        if not len(photo.indices):
            return to_reading(detections, np.zeros(0, dtype=np.int64), 0.0)
        chances = self._weights.probabilities(photo.evidence)
        rows = detections.get("rows")
        if rows and self._weights.texts is not None:
            text = decide_text(gather(rows, photo, chances), self._weights.texts)
            return Reading(
                text.text,
                photo.indices[text.places],
                self._weights.text_confidence(text.log_odds),
                text.runner_up,
            )
        decision = decide(photo, chances)
        return to_reading(
            detections,
            photo.indices[decision.kept],
            self._weights.confidence(decision.log_odds),
            decision.runner_up,
        )
