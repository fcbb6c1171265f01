"""Clean annotated boxes for training and scoring; one warning lists what was changed.

What is certainly wrong for a whole file (boxes as shares of the photo) is refused.
"""

import os
import warnings
from pathlib import Path

import numpy as np

from digits.data.annotations import Annotations
from digits.errors import DigitsError

_MAX_COORDINATE = 1e6  # pixels; what lies beyond is no box
_SAME_DIGIT_IOU = 0.9  # IoU from which two boxes are of one digit: neighbours of a number reach 0.4


def boxes_by_photo(table: Annotations, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort the boxes by photo, and clip them to it.

    Boxes of less than a pixel, of no numbers or outside their photo are skipped, and so is a digit
    that is annotated twice.

    Args:
        table: the annotations.
        path: of their file, for messages.

    Returns:
        boxes float32 `(K, 4)` xyxy in pixels, labels int64 `(K,)`, and starts int64
        `(N + 1,)`: those of photo i are `boxes[starts[i] : starts[i + 1]]`.

    Raises:
        DigitsError: a box of an unknown photo, or boxes that are shares of their photo.
    """
    unknown = np.setdiff1d(table.owners, table.image_ids)
    if len(unknown):
        raise DigitsError(
            f"{path}: an annotation names image_id {unknown[0]}, which `images` lacks."
        )
    _refuse_shares(table, path)
    photos = np.searchsorted(table.image_ids, table.owners)
    low, sides = table.boxes[:, :2], table.boxes[:, 2:]
    limits = table.sizes[photos][:, ::-1]  # width, height
    boxes = np.concatenate([low.clip(0, limits), (low + sides).clip(0, limits)], 1)
    boxes, labels = boxes.astype(np.float32), table.labels
    notes = list(table.notes)

    def note(text: str, which: np.ndarray) -> None:
        if which.any():
            first = table.file_names[photos[which][0]]
            notes.append(f"{text.format(np.count_nonzero(which))} (the first in {first})")

    known = (np.abs(table.boxes) < _MAX_COORDINATE).all(axis=1)  # False of NaN
    inside = boxes[:, 2:] - boxes[:, :2]
    good = known & (inside >= 1).all(axis=1)
    note("skipped {} boxes of no size, under a pixel or wholly outside their photo", ~good)
    half = good & (2 * inside.prod(axis=1) < sides.prod(axis=1))
    if np.count_nonzero(half) > max(9, len(half) / 10):  # some overrun in every data set
        note(
            "clipped {} boxes of which more than half lies outside their photo: are they x_min, "
            "y_min, width, height?",
            half,
        )
    photos, boxes, labels = photos[good], boxes[good], labels[good]
    twice = _duplicates(photos, labels, boxes)
    note("left out {} boxes that are there twice", twice)
    photos, boxes, labels = photos[~twice], boxes[~twice], labels[~twice]
    note("kept {} boxes that lie on one of another digit", _duplicates(photos, None, boxes))
    if notes and not int(os.environ.get("LOCAL_RANK", 0)):
        warnings.warn(f"{path}: {'; '.join(notes)}.", stacklevel=2)
    order = np.argsort(photos, kind="stable")
    counts = np.bincount(photos, minlength=len(table.image_ids))
    return boxes[order], labels[order], np.concatenate([[0], np.cumsum(counts)])


def _refuse_shares(table: Annotations, path: Path) -> None:
    ends = table.boxes[:, :2] + table.boxes[:, 2:]
    if len(ends) and table.sizes.min() > 4 and np.nanmax(ends, initial=0) <= 1.5:
        first = [round(value, 3) for value in table.boxes[0].tolist()]
        raise DigitsError(
            f"{path}: all {len(ends)} boxes end within a pixel of the photo's corner (the first "
            f"is {first}): they look like shares of the photo (0..1); expected x_min, y_min, "
            "width, height in pixels."
        )


def _duplicates(photos: np.ndarray, labels: np.ndarray | None, boxes: np.ndarray) -> np.ndarray:
    """bool `(N,)`: boxes that lie on another one of their photo (and label), all but one."""
    keys = (boxes[:, 1], boxes[:, 0], photos) if labels is None else (
        boxes[:, 1], boxes[:, 0], labels, photos
    )  # fmt: skip
    order = np.lexsort((np.arange(len(boxes)), *keys))
    first, second = order[:-1], order[1:]
    same = photos[first] == photos[second]
    if labels is not None:
        same &= labels[first] == labels[second]
    overlap = np.minimum(boxes[first, 2:], boxes[second, 2:]) - np.maximum(
        boxes[first, :2], boxes[second, :2]
    )
    common = overlap.clip(0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    same &= common >= _SAME_DIGIT_IOU * (areas[first] + areas[second] - common)
    result = np.zeros(len(boxes), dtype=bool)
    result[second[same]] = True
    return result
