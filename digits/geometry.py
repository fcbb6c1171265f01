"""Boxes: overlap, suppression, reading order, matching to the true ones."""

import numpy as np

# Two digits are stacked when one lies under the other: they share more than this part of the
# narrower one's width, and less than the other part of the lower one's height.
_STACKED_WIDTH, _STACKED_HEIGHT = 0.5, 0.2


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union `(N, M)` of boxes `(N, 4)` and `(M, 4)` xyxy; 0 for empty boxes."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union != 0))


def by_score(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Indices `(N,)` by falling score; equal scores by position and class, never by input order.

    Args:
        boxes: `(N, 4)` xyxy.
        scores: `(N,)`.
        labels: `(N,)`.
    """
    return np.lexsort((labels, *boxes.T[::-1], -scores))


def suppress(order: np.ndarray, iou: np.ndarray, limit: float) -> np.ndarray:
    """Greedy suppression: of two boxes that overlap more than `limit`, the earlier stays.

    Args:
        order: indices `(N,)`, the surest first.
        iou: `(N, N)`, of the boxes in their own order.
        limit: on the intersection over union.

    Returns:
        The indices that stay, in the same order.
    """
    rivals = iou > limit
    alive = np.ones(len(order), dtype=bool)
    kept = []
    for index in order:
        if alive[index]:
            kept.append(index)
            alive &= ~rivals[index]
    return np.array(kept, dtype=np.int64)


def reading_order(boxes: np.ndarray) -> np.ndarray:
    """The order in which people read: left to right, stacked rows top to bottom.

    A row may be tilted as much as it likes: rows are told apart only where one digit lies under
    another. SVHN's own labels list even stacked digits (0.14 % of its photos) by left edge.

    Args:
        boxes: `(N, 4)` xyxy.

    Returns:
        Indices `(N,)`.
    """
    left_to_right = np.lexsort((boxes[:, 1], boxes[:, 0]))
    if len(boxes) < 2:
        return left_to_right
    # Side by side, as nearly always: no overlap is wide enough for one digit to lie under another.
    left, right = boxes[left_to_right, 0], boxes[left_to_right, 2]
    shared = np.maximum.accumulate(right)[:-1] - left[1:]
    if (shared <= _STACKED_WIDTH * (right - left).min()).all():
        return left_to_right
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    sides = boxes[:, 2:] - boxes[:, :2]
    shares = (high - low) / np.maximum(np.minimum(sides[:, None], sides[None]), 1e-9)
    if not ((shares[..., 0] > _STACKED_WIDTH) & (shares[..., 1] < _STACKED_HEIGHT)).any():
        return left_to_right
    centres = (boxes[:, 1] + boxes[:, 3]) / 2
    from_top = np.argsort(centres, kind="stable")
    steps = np.diff(centres[from_top]) > sides[from_top[1:], 1] / 2  # half a digit down: new row
    rows = np.empty(len(boxes), dtype=np.int64)
    rows[from_top] = np.concatenate([[0], np.cumsum(steps)])
    return np.lexsort((boxes[:, 1], boxes[:, 0], rows))


def match(boxes: np.ndarray, truth: np.ndarray, limit: float = 0.3) -> np.ndarray:
    """Which true digit each box shows, the surest box first, each digit at most once.

    A number needs the digit, not its pixels, so the overlap asked for is less than that of mAP.

    Args:
        boxes: `(N, 4)`, the surest first.
        truth: `(M, 4)`.
        limit: intersection over union that a match needs.

    Returns:
        Indices into `truth`, int64 `(N,)`, -1 where a box shows none.
    """
    matched = np.full(len(boxes), -1, dtype=np.int64)
    if not len(truth):
        return matched
    iou = overlaps(boxes, truth)
    for index in range(len(boxes)):
        best = int(iou[index].argmax())
        if iou[index, best] >= limit:
            matched[index] = best
            iou[:, best] = -1
    return matched
