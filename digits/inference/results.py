"""The result of a photo, as files and programs get it."""

from dataclasses import dataclass
from typing import Any

from digits.types import NO_NUMBER, Reading, Record, Target, is_right, target_number


@dataclass(frozen=True)
class PhotoResult:
    """What was read in a photo.

    Attributes:
        file_name: of the photo.
        number: `-1` where no digit was found.
        confidence: in [0, 1].
        accepted: whether it is sure enough; otherwise a person should look.
        runner_up: the second-best number; empty where none is known.
        boxes: of the number's digits in reading order, xyxy in pixels.
        truth: the true number, empty where there is none; None where it is not known.
    """

    file_name: str
    number: str
    confidence: float
    accepted: bool
    runner_up: str
    boxes: list[list[float]]
    truth: str | None = None

    @classmethod
    def of(
        cls, record: Record, reading: Reading, accepted: bool, target: Target | None = None
    ) -> "PhotoResult":
        """A reading of a photo's detections."""
        return cls(
            record["file_name"],
            reading.number,
            reading.confidence,
            accepted,
            reading.runner_up,
            [
                [round(value, 1) for value in box]
                for box in record["boxes"][reading.indices].tolist()
            ],
            None if target is None else target_number(target),
        )

    @property
    def right(self) -> bool | None:
        """Whether it is the true number; None where that is not known."""
        return None if self.truth is None else is_right(self.number, self.truth)

    def to_json(self) -> dict[str, Any]:
        """Plain data; a photo without any digit has an empty number."""
        content = {
            "file_name": self.file_name,
            "number": "" if self.number == NO_NUMBER else self.number,
            "confidence": round(self.confidence, 4),
            "accepted": self.accepted,
            "runner_up": self.runner_up,
            "boxes": self.boxes,
        }
        return (
            content if self.truth is None else content | {"truth": self.truth, "right": self.right}
        )
