"""One photo's boxes through ensemble-boxes, behind border checks."""

from typing import Any

import numpy as np

from digits.errors import DigitsError
from digits.geometry import overlaps
from digits.types import NUM_CLASSES

METHODS = ("wbf", "nmw", "soft_nms", "nms")
_SAME_PLACE = 0.5  # intersection over union above which a member's box speaks of a fused one
_LEAST = 1e-6  # score that stands for 0
_SOFT, _HARD = 1, 3  # names of the library's methods

Boxes = tuple[np.ndarray, np.ndarray, np.ndarray]  # boxes (N, 4), scores (N,), labels (N,)


def sane(member: Boxes, size: np.ndarray) -> Boxes:
    """Boxes as the library wants them: within [0, 1], none of no size.

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
    return boxes[kept], np.maximum(scores[kept].astype(np.float64), _LEAST), labels[kept]


def surer(member: Boxes, floor: float) -> Boxes:
    """The boxes at least as sure as `floor`."""
    kept = member[1] >= floor
    return member[0][kept], member[1][kept], member[2][kept]


def run(method: str, members: list[Boxes], weights: np.ndarray, iou: float) -> Any:
    """Boxes, scores and labels, fused class by class; weights are above 0, not all lists empty."""
    import ensemble_boxes  # numba takes a while to load, and one member needs none of it

    boxes, scores, labels = (list(column) for column in zip(*members, strict=True))
    if method == "wbf":
        # conf_type="avg" may exceed 1, and shrinks what one member says twice.
        return ensemble_boxes.weighted_boxes_fusion(
            boxes, scores, labels, weights, iou, conf_type="box_and_model_avg"
        )
    if method == "nmw":
        return ensemble_boxes.non_maximum_weighted(boxes, scores, labels, weights, iou)
    # Relative to the largest: divided by their sum, as the library does, scores would shrink.
    scores = [s * w / weights.max() for s, w in zip(scores, weights, strict=True)]
    columns = np.concatenate(boxes), np.concatenate(scores), np.concatenate(labels)
    return _suppress(*columns, iou, _SOFT if method == "soft_nms" else _HARD)


def _suppress(
    boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, iou: float, how: int
) -> Boxes:
    """NMS and linear Soft-NMS (Bodla et al. 2017, arXiv 1704.04503) by the library's inner
    function: its outer ones (1.0.9) return scores as they were before, and compile for seconds."""
    from ensemble_boxes.ensemble_boxes_nms import cpu_soft_nms_float

    kept, lowered = [], []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        mine = scores[own]  # a copy, which it lowers and reorders
        stay = cpu_soft_nms_float(boxes[own], mine, iou, 1.0, 0.0, how)
        kept.append(own[stay])
        lowered.append(mine[mine > 0])
    chosen = np.concatenate(kept)
    return boxes[chosen], np.concatenate(lowered), labels[chosen]


def votes(boxes: np.ndarray, labels: np.ndarray, member: Boxes) -> np.ndarray:
    """Whether the member's surest box at each place, of any class, says the same digit."""
    theirs, scores, digits = member
    if not len(theirs):
        return np.zeros(len(boxes))
    there = np.where(overlaps(boxes, theirs) > _SAME_PLACE, scores[None], -1.0)
    best = there.argmax(axis=1)
    found: np.ndarray = (there.max(axis=1) >= 0) & (digits[best] == labels)
    return found.astype(np.float64)
