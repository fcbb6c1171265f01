"""Where each box of a photo stands among the others: in the row, and beside surer boxes."""

import numpy as np


def row(boxes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far a box departs from the row that the others make, weighted by their scores.

    Returns:
        log(height / the row's), and the distance of its centre from the row's line in heights.
        Both tend to 0 where no other box says anything: each box has a small say in its own row.
    """
    heights = np.log(lengths(boxes[:, 3] - boxes[:, 1]))
    x, y = (boxes[:, :2] + boxes[:, 2:]).T / 2
    say = np.tile(weights, (len(boxes), 1))
    np.fill_diagonal(say, 0.02 * weights[:1])
    say /= say.sum(axis=1, keepdims=True)
    usual = say @ heights
    x_mean, y_mean = say @ x, say @ y
    dx, dy = x[None] - x_mean[:, None], y[None] - y_mean[:, None]
    # The prior of a level row weighs like a spread of one height.
    slope = (say * dx * dy).sum(axis=1) / ((say * dx**2).sum(axis=1) + np.exp(2 * usual))
    distance = np.abs(y - y_mean - slope * (x - x_mean)) / np.exp(usual)
    return (heights - usual).clip(-1.5, 1.5), distance.clip(0, 2)


def surer_neighbours(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share inside a surer box, share of a surer box inside, distance to the nearest in heights."""
    surer = np.tri(len(boxes), k=-1, dtype=bool)
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.where(surer, np.maximum(high - low, 0).prod(axis=2), 0)
    size = np.maximum((boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1), 1e-9)
    covered = (shared / size[:, None]).max(axis=1, initial=0)
    covers = (shared / size[None, :]).max(axis=1, initial=0)
    apart = np.maximum(boxes[:, None, 0] - boxes[None, :, 2], boxes[None, :, 0] - boxes[:, None, 2])
    nearest = np.where(surer, apart, np.inf).min(axis=1, initial=np.inf)
    nearest = nearest / lengths(boxes[:, 3] - boxes[:, 1])
    return covered, covers, np.where(np.isfinite(nearest), nearest, 0).clip(0, 3)


def lengths(sides: np.ndarray) -> np.ndarray:
    """Sides of boxes, none so short that it can't be divided by."""
    return sides.clip(1e-3)
