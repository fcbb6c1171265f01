"""Weighted boxes fusion of one photo by ensemble-boxes, with its inputs checked."""

import numpy as np

from digits.errors import DigitsError
from digits.geometry import by_score, overlaps
from digits.types import MAX_BOXES, NUM_CLASSES

_SAME_PLACE = 0.5  # IoU above which a member's box is at the place of a fused one
_MIN_SCORE = 1e-6  # score that stands for 0

Boxes = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Boxes `(N, 4)`, scores `(N,)`, labels `(N,)`."""


def normalized(member: Boxes, size: np.ndarray) -> Boxes:
    """Boxes as the library wants them: within [0, 1], none of no size.

    Args:
        member: boxes in pixels of a photo.
        size: its width, height, width, height, `(4,)`.

    Raises:
        DigitsError: scores or labels that no detector gives.
    """
    boxes, scores, labels = member
    good = (scores >= 0) & (scores <= 1) & (labels >= 1) & (labels < NUM_CLASSES)
    if not good.all():
        raise DigitsError("Expected scores in [0, 1] and labels in 1..10 in detections to fuse.")
    boxes = (boxes.astype(np.float64) / size).clip(0, 1)
    kept = ((boxes[:, 2:] - boxes[:, :2]) > 1e-6).all(axis=1)
    # The library divides by sums of scores.
    return boxes[kept], np.maximum(scores[kept].astype(np.float64), _MIN_SCORE), labels[kept]


def above(member: Boxes, floor: float) -> Boxes:
    """The boxes with a score of at least `floor`, of very many the surest."""
    boxes, scores, labels = member
    kept = np.flatnonzero(scores >= floor)
    if len(kept) > MAX_BOXES:
        kept = kept[by_score(boxes[kept], scores[kept], labels[kept])[:MAX_BOXES]]
    return boxes[kept], scores[kept], labels[kept]


def weighted_boxes_fusion(members: list[Boxes], weights: np.ndarray, iou: float) -> Boxes:
    """Boxes fused class by class, within [0, 1]; weights are above 0, not all lists empty."""
    import ensemble_boxes  # numba takes a while to load, and one member needs none of it

    lists = [list(column) for column in zip(*members, strict=True)]
    # conf_type="avg" may exceed 1, and shrinks what one member says twice.
    boxes, scores, labels = ensemble_boxes.weighted_boxes_fusion(
        *lists, weights, iou, conf_type="box_and_model_avg"
    )
    boxes, scores = np.asarray(boxes, np.float64), np.asarray(scores, np.float64)
    # float32 sums exceed 1 a little, and the library returns labels as floats.
    return boxes.clip(0, 1), scores.clip(0, 1), np.asarray(labels).astype(np.int64)


def votes(boxes: np.ndarray, labels: np.ndarray, member: Boxes) -> np.ndarray:
    """1 where the member's box of the highest score there, of any class, says the same digit, else
    0; float64 `(N,)`."""
    theirs, scores, digits = member
    if not len(theirs):
        return np.zeros(len(boxes))
    there = np.where(overlaps(boxes, theirs) > _SAME_PLACE, scores[None], -1.0)
    best = there.argmax(axis=1)
    agrees: np.ndarray = (there.max(axis=1) >= 0) & (digits[best] == labels)
    return agrees.astype(np.float64)
