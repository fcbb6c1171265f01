"""Select the photos that a report shows: surest wrong, or least sure, and some others."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from torch import Tensor

from digits.report.mistakes import mistakes
from digits.shapes import Finite
from digits.types import CLASS_NAMES, Reading, Record, Target, reading_labels, target_number

_MAX_WORST, _MAX_OTHERS = 150, 24  # photos shown


class Box(NamedTuple):
    """A digit: xyxy in pixels of the photo, and its text."""

    left: Finite
    top: Finite
    right: Finite
    bottom: Finite
    text: str


class Tile(msgspec.Struct, forbid_unknown_fields=True):
    """A photo of the gallery.

    Attributes:
        image_id, file_name, height, width: of the photo.
        number, confidence, runner_up: as read.
        truth: the true number, empty for none; None where it is not known.
        accepted: whether it is sure enough; None where that does not matter.
        boxes: of the digits read, in their order.
        true_boxes: of the true digits.
        view: the part of the photo that is shown, xyxy in its pixels.
        picture: that part as a JPEG; empty where the photo is not at hand.
    """

    image_id: int
    file_name: str
    height: int
    width: int
    number: str
    confidence: Finite
    runner_up: str
    truth: str | None
    boxes: list[Box]
    true_boxes: list[Box]
    view: tuple[Finite, Finite, Finite, Finite]
    picture: bytes = b""
    accepted: bool | None = None

    @property
    def mistakes(self) -> list[str]:
        """What is wrong with the number (`digits.report.mistakes.KINDS`)."""
        return [] if self.truth is None else mistakes(self.number, self.truth)


def tile(
    record: Record, reading: Reading, target: Target | None, accepted: bool | None = None
) -> Tile:
    """A photo as read, without its picture.

    Args:
        record: its detections.
        reading: the number.
        target: its true digits; None where they are not known.
        accepted: as in `Tile`.
    """
    boxes = _boxes(record["boxes"][reading.indices], reading_labels(reading, record["labels"]))
    true_boxes = _boxes(target["boxes"], target["labels"]) if target else []
    return Tile(
        image_id=int(record["image_id"]),
        file_name=record["file_name"],
        height=int(record["height"]),
        width=int(record["width"]),
        number=reading.number,
        confidence=float(reading.confidence),
        runner_up=reading.runner_up,
        truth=target_number(target) if target else None,
        boxes=boxes,
        true_boxes=true_boxes,
        view=_view([*boxes, *true_boxes], record["height"], record["width"]),
        accepted=accepted,
    )


def chosen(tiles: Iterable[Tile]) -> list[Tile]:
    """The tiles to show: wrong ones, the surest first, or without labels those not accepted and the
    least sure; and the first of the others.

    What is chosen of a part of the photos, with those that follow, gives what is chosen of all.
    """
    tiles = list(tiles)
    labelled = any(one.truth is not None for one in tiles)
    ranked = sorted(
        tiles, key=lambda one: (one.accepted is not False, one.confidence), reverse=labelled
    )
    worst = [one for one in ranked if one.mistakes or not labelled][:_MAX_WORST]
    shown = {id(one) for one in worst}
    others = [one for one in tiles if id(one) not in shown and not one.mistakes]
    return worst + others[:_MAX_OTHERS]


def _boxes(boxes: Tensor, labels: Tensor | np.ndarray) -> list[Box]:
    pairs = zip(boxes.tolist(), labels.tolist(), strict=True)
    return [
        Box._make([*(round(value, 1) for value in box), CLASS_NAMES[label - 1]])
        for box, label in pairs
    ]


def _view(boxes: Sequence[Box], height: int, width: int) -> tuple[float, float, float, float]:
    """The number and as much around it as it is high; the whole photo where nothing is found."""
    whole = (0.0, 0.0, float(width), float(height))
    if not boxes:
        return whole
    lefts, tops, rights, bottoms, _ = zip(*boxes, strict=True)
    margin = max(max(bottoms) - min(tops), 8.0)
    left, top = max(min(lefts) - margin, 0.0), max(min(tops) - margin, 0.0)
    right, bottom = min(max(rights) + margin, whole[2]), min(max(bottoms) + margin, whole[3])
    return (left, top, right, bottom) if left < right and top < bottom else whole
