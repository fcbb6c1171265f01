"""Add slightly moved copies of each box to a submission."""

import numpy as np
import torch

from digits.reading.base import as_arrays
from digits.types import SCORED_BOXES, Record

_MIN_SCORE = 0.02  # score of the boxes that get alternatives: of the others most hold no digit
_MOVES = np.array(  # of left, top, right and bottom, in heights of the box
    [
        [-0.06, -0.06, 0.06, 0.06],
        [0.04, 0.04, -0.04, -0.04],
        [0.05, 0.0, 0.05, 0.0],
        [-0.05, 0.0, -0.05, 0.0],
    ]
)
_SHARES = np.array([0.15, 0.12, 0.09, 0.075])  # of the score


def with_alternatives(record: Record, whole_pixels: bool) -> Record:
    """A photo's boxes, and of each that may hold a digit a larger, a smaller and two moved ones.

    How tightly a digit is labelled differs from annotator to annotator, and no detector can know
    it. mAP takes the mean over ten thresholds of how well a box has to fit: an alternative of a
    low score counts where the box itself does not fit, and costs little where it does. (Detectors
    with soft suppression leave such boxes for the same reason.)

    Args:
        record: the boxes of a photo, with its `height` and `width` in pixels.
        whole_pixels: whether alternatives get integer edges, as refined boxes have.

    Returns:
        The surest first, at most 100 or as many as there were; alternatives lie within the photo
        and have a width and a height.
    """
    boxes, scores, labels = as_arrays(record)
    digits = np.flatnonzero(scores >= _MIN_SCORE)
    heights = boxes[digits, 3] - boxes[digits, 1]
    moved = boxes[digits, None] + _MOVES * heights[:, None, None]
    if whole_pixels:
        moved = np.round(moved)
    moved = moved.clip(0, np.array([record["width"], record["height"]] * 2, dtype=np.float64))
    extent = ((moved[..., 2:] - moved[..., :2]) > 0).all(axis=-1)
    all_boxes = np.concatenate([boxes, moved[extent]])
    all_scores = np.concatenate([scores, (scores[digits, None] * _SHARES)[extent]])
    owners = np.broadcast_to(digits[:, None], extent.shape)[extent]
    all_labels = np.concatenate([labels, labels[owners]])
    kept = np.argsort(-all_scores, kind="stable")[: max(SCORED_BOXES, len(boxes))]
    return record | {
        "boxes": torch.from_numpy(all_boxes[kept]).float(),
        "scores": torch.from_numpy(all_scores[kept]).float(),
        "labels": torch.from_numpy(all_labels[kept]),
    }
