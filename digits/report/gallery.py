"""Select the photos that a report shows: surest wrong, or least sure, and some others."""

import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from PIL import Image
from torch import Tensor

from digits.io import partial_path
from digits.report.mistakes import mistakes
from digits.shapes import Finite, decode_file
from digits.types import CLASS_NAMES, Reading, Record, Target, reading_labels, target_number

_MAX_WORST, _MAX_OTHERS = 150, 24  # photos shown
_MAX_SIDE = 320  # pixels of a picture's longer side


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


class Gallery(msgspec.Struct, forbid_unknown_fields=True):
    """What gallery.json holds.

    Attributes:
        tiles: the photos shown, those first that a person should look at.
        confidence: of each photo's number, of all photos.
        right: whether it is right, likewise; empty without labels.
    """

    tiles: list[Tile]
    confidence: list[Finite]
    right: list[bool] = []


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


def write_gallery(
    path: Path,
    tiles: Sequence[Tile],
    confidence: Sequence[float],
    right: Sequence[bool],
    photo: Callable[[int], Tensor | None] | None,
) -> None:
    """Write gallery.json.

    Args:
        path: of the file.
        tiles: of the photos shown.
        confidence, right: as in `Gallery`.
        photo: the pixels of a photo by its image_id, uint8 `(3, h, w)`, which may be reduced; None
            where its file is gone, or where no photo is at hand.
    """
    for one in tiles:
        pixels = photo(one.image_id) if photo else None
        one.picture = b"" if pixels is None else _jpeg(pixels, one)
    gallery = Gallery(list(tiles), [float(c) for c in confidence], [bool(r) for r in right])
    with partial_path(path) as partial:
        partial.write_bytes(msgspec.json.encode(gallery))


def read_gallery(path: Path) -> Gallery | None:
    """The content of a gallery.json; None where there is none.

    Raises:
        DigitsError: it has another shape.
    """
    return decode_file(path, Gallery) if path.is_file() else None


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


def _jpeg(pixels: Tensor, one: Tile) -> bytes:
    across, down = pixels.shape[2] / one.width, pixels.shape[1] / one.height
    left, top, right, bottom = one.view
    box = (left * across, top * down, right * across, bottom * down)
    longest = max(box[2] - box[0], box[3] - box[1])
    share = min(1.0, _MAX_SIDE / longest)
    size = (max(round((box[2] - box[0]) * share), 1), max(round((box[3] - box[1]) * share), 1))
    photo = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    kept = io.BytesIO()
    photo.resize(size, Image.Resampling.BICUBIC, box, reducing_gap=2).save(kept, "JPEG", quality=85)
    return kept.getvalue()
