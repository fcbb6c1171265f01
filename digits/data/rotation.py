"""Upright bounding boxes of rotated boxes."""

import numpy as np

_POWER = 1.5  # of the superellipse that the ink is taken for


def turned(boxes: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """The upright boxes of the ink in turned ones, as in `digits.data.warping.warp_boxes`.

    Args:
        boxes: `(N, 4)`, x_min, y_min, width, height before the turn.
        degrees: `(N,)`.

    Returns:
        `(N, 4)` of the same form; a box that is not turned is the same.
    """
    angle = np.radians(degrees)
    cos, sin = np.abs(np.cos(angle)), np.abs(np.sin(angle))
    centre, (width, height) = boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:].T
    wide = (np.abs(width * cos) ** _POWER + np.abs(height * sin) ** _POWER) ** (1 / _POWER)
    high = (np.abs(width * sin) ** _POWER + np.abs(height * cos) ** _POWER) ** (1 / _POWER)
    sides = np.stack([wide, high], axis=1)
    upright = np.concatenate([centre - sides / 2, sides], axis=1)
    return np.where(degrees[:, None] == 0, boxes, upright)
