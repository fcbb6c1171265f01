"""Rows of digits cut out of photos: levelled, of one height, from the photo's own pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from msgspec import Meta

HEIGHT = 48  # (px) of crops
_STEEPEST = math.radians(45)
_LEVEL = 0.05  # (squared digit heights) of spread along the row: how much it takes to be tilted
_STEP = 16  # (px) widths of crops are multiples of it, so that many are of one width
_WIDEST = 320  # (px) wider rows are squeezed
_GREY = 127


@dataclass(frozen=True)
class Row:
    """Where a row of digits lies in a photo: a rectangle that may be turned.

    Attributes:
        x, y: its centre, pixels of the photo.
        length: along the line, pixels.
        height: across the line, pixels.
        angle: of the line, radians, clockwise as seen (y points down).
        digit: height of its digits, pixels; less than `height` where they do not stand in line.
    """

    x: float
    y: float
    length: float
    height: float
    angle: float = 0.0
    digit: float = 0.0


@dataclass(frozen=True)
class CropOptions:
    """How rows are cut out."""

    margin: Annotated[float, Meta(ge=-1, le=10)] = 0.05  # (digit heights) around the row
    stretch: Annotated[float, Meta(gt=0, le=10)] = 1.15  # (factor) on the width
    # (fraction) of a row's tilt that its digits do not share
    upright: Annotated[float, Meta(ge=0, le=1)] = 0.3


def row_of(boxes: np.ndarray) -> Row:
    """The row that boxes make: a line through their centres, inclined to be level.

    Args:
        boxes: `(K, 4)` xyxy, at least one.

    Raises:
        ValueError: there are none.
    """
    if not len(boxes):
        raise ValueError("Expected argument `boxes` to hold at least one box but got none")
    boxes = np.asarray(boxes, dtype=np.float64)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    middle = centres.mean(axis=0)
    apart = centres - middle
    digit = float(np.exp(np.log(sides[:, 1]).mean()))
    slope = (apart[:, 0] * apart[:, 1]).sum() / ((apart[:, 0] ** 2).sum() + _LEVEL * digit**2)
    angle = float(np.clip(math.atan(slope), -_STEEPEST, _STEEPEST))
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    place, drift = apart @ along, apart @ across
    first, last = (place - sides[:, 0] / 2).min(), (place + sides[:, 0] / 2).max()
    top, bottom = drift.min() - digit / 2, drift.max() + digit / 2
    x, y = (middle + along * (first + last) / 2 + across * (top + bottom) / 2).tolist()
    return Row(x, y, float(last - first), float(bottom - top), angle, digit)


def crop_row(
    photo: np.ndarray, row: Row, options: CropOptions | None = None, shear: float = 0.0
) -> np.ndarray:
    """Cut a row out of a photo and level it, in one resampling of the photo's own pixels.

    Args:
        photo: uint8 `(H, W, 3)`.
        row: of digits; it may reach beyond the photo, whose edge is then repeated.
        options: margins and stretch.
        shear: (tangent) slants the digits, in training.

    Returns:
        uint8 `(48, w, 3)`, w from 16 to 320.
    """
    options = options or CropOptions()
    margin = 2 * options.margin * (row.digit or row.height)
    high, wide = max(row.height + margin, 1.0), max(row.length + margin, 1.0)
    scale = HEIGHT / high
    width = int(np.clip(round(wide * scale * options.stretch), 16, _WIDEST))
    cos, sin = math.cos(row.angle), math.sin(row.angle)
    along, across = np.array([cos, sin]), np.array([-sin, cos])
    shear += options.upright * math.tan(row.angle)
    # One pixel of the crop is `right` along and `down` across in the photo.
    right, down = along * wide / width, across / scale + along * shear / scale
    turn = np.stack([right, down], axis=1)
    shift = np.array([row.x, row.y]) - turn @ [width / 2 - 0.5, HEIGHT / 2 - 0.5] - 0.5
    turn, shift, photo = _reduced(turn, shift, photo, width)
    matrix = np.column_stack([turn, shift])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        photo, matrix, (width, HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )


def _reduced(
    turn: np.ndarray, shift: np.ndarray, photo: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The part of a large photo that the crop shows, at the crop's resolution: no aliasing."""
    steps = np.linalg.norm(turn, axis=0)
    factor = float(min(steps))
    if factor <= 1.2:
        return turn, shift, photo
    corners = np.array([[0, 0], [width, 0], [0, HEIGHT], [width, HEIGHT]]) @ turn.T + shift
    size = np.array([photo.shape[1], photo.shape[0]])
    spare = 2 * math.ceil(factor)
    low = np.clip(np.floor(corners.min(0)).astype(int) - spare, 0, size - 1)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + spare, low + 1, size)
    part = photo[low[1] : high[1], low[0] : high[0]]
    small = np.maximum(np.round((high - low) / factor).astype(int), 1)
    part = cv2.resize(part, (int(small[0]), int(small[1])), interpolation=cv2.INTER_AREA)
    shrink = small / (high - low)
    # Pixel centres lie at halves: x_small = (x + 0.5 - low) * shrink - 0.5.
    return turn * shrink[:, None], (shift + 0.5 - low) * shrink - 0.5, part


def padded(crop: np.ndarray) -> np.ndarray:
    """A crop `(48, w, 3)` with grey on its right, up to the next multiple of 16 pixels."""
    width = -(-crop.shape[1] // _STEP) * _STEP
    canvas = np.full((HEIGHT, width, 3), _GREY, dtype=np.uint8)
    canvas[:, : crop.shape[1]] = crop
    return canvas


def to_batches(crops: Sequence[np.ndarray], size: int = 64) -> list[tuple[list[int], np.ndarray]]:
    """Crops of one padded width together, so that what is read in one depends on it alone.

    Returns:
        Indices of crops, and the crops, uint8 `(B, 3, 48, W)`.
    """
    ready = [padded(crop) for crop in crops]
    widths: dict[int, list[int]] = {}
    for index, crop in enumerate(ready):
        widths.setdefault(crop.shape[1], []).append(index)
    parts = [m[i : i + size] for _, m in sorted(widths.items()) for i in range(0, len(m), size)]
    return [(p, np.stack([ready[i] for i in p]).transpose(0, 3, 1, 2)) for p in parts]
