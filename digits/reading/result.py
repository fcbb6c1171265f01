"""The result of a photo for Python programs."""

from dataclasses import dataclass

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


def to_result(detections: Detections, reader: Reader) -> Result:
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
