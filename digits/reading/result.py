"""The result of a photo for Python programs."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from digits.data.inputs import Photo, listed
from digits.reading.acceptance import accepts
from digits.reading.base import Reader
from digits.types import CLASS_NAMES, NO_NUMBER, Detections, reading_labels


@dataclass(frozen=True)
class Digit:
    """A digit of a number.

    Attributes:
        text: `0` to `9`.
        score: of the detector, in [0, 1].
        box: x_min, y_min, x_max, y_max in pixels of the photo.
    """

    text: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Result:
    """The number of a photo.

    Attributes:
        number: as text, leading zeros kept; empty where no digit was found.
        confidence: in [0, 1], the probability that the whole number is right.
        runner_up: the next most probable number; empty where none is known.
        digits: of the number, in reading order.
        accepted: whether it is sure enough to be used without a look.
    """

    number: str
    confidence: float
    runner_up: str
    digits: tuple[Digit, ...]
    accepted: bool


class PhotoReader(ABC):
    """Reads numbers in photos.

    Attributes:
        reader: detections to a number.
    """

    reader: Reader

    @abstractmethod
    def detect(self, photos: Sequence[Photo]) -> list[Detections]:
        """All boxes found in some photos, in their pixels, before any is read."""

    @overload  # text is a sequence of texts, but a photo's path
    def read(self, photo: Photo) -> Result: ...  # type: ignore[overload-overlap]

    @overload
    def read(self, photo: Sequence[Photo]) -> list[Result]: ...

    def read(self, photo: Photo | Sequence[Photo]) -> Result | list[Result]:
        """Read one photo, or several at once.

        Large photos are reduced to 1,000 pixels, as by predict.py; boxes refer to the original.

        Args:
            photo: a file, a Pillow picture (turned as its camera says), an array uint8 `(H, W, 3)`
                RGB or `(H, W)` grey, a tensor uint8 `(3, H, W)` RGB; or a sequence of such photos.

        Returns:
            A result, or a list of them for a sequence.

        Raises:
            digits.errors.DigitsError: what cannot be read as a photo.
        """
        photos, alone = listed(photo)
        results = [_to_result(found, self.reader) for found in self.detect(photos)]
        return results[0] if alone else results


def _to_result(detections: Detections, reader: Reader) -> Result:
    """Read the number of a photo's detections."""
    reading = reader.read(detections)
    accepted = accepts(reader, reading, detections)
    labels = reading_labels(reading, detections["labels"]).tolist()
    scores = detections["scores"][reading.indices].tolist()
    boxes = detections["boxes"][reading.indices].tolist()
    digits = tuple(
        Digit(CLASS_NAMES[label - 1], score, tuple(box))
        for label, score, box in zip(labels, scores, boxes, strict=True)
    )
    number = "" if reading.number == NO_NUMBER else reading.number
    return Result(number, reading.confidence, reading.runner_up, digits, accepted)
