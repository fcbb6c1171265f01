"""One member's detections, their boxes moved to where all members see them."""

from collections.abc import Sequence

import numpy as np
import torch

from digits.geometry import overlaps
from digits.reading.base import as_arrays
from digits.types import Record

_SAME_PLACE = 0.5  # intersection over union above which two boxes are of one digit


def averaged(records: Sequence[Record], base: int, weights: Sequence[float]) -> Record:
    """Each box of one member at the weighted mean of all members' boxes of that digit there.

    A fusion takes boxes and scores from all its members. Where one ranks digits better than the
    others do, only its boxes gain by their opinion.

    Args:
        records: of one photo, one per member.
        base: the index of the member whose boxes, scores and labels these are.
        weights: one per member; a box that only members of weight 0 see stays where it is.

    Returns:
        The member's record with boxes moved, each within the bounds of those that were averaged.
    """
    boxes, _, labels = as_arrays(records[base])
    total = np.full((len(boxes), 1), float(weights[base]))
    moved = total * boxes
    for index, (record, weight) in enumerate(zip(records, weights, strict=True)):
        theirs, scores, digits = as_arrays(record)
        if index == base or not len(theirs):
            continue
        same = (overlaps(boxes, theirs) > _SAME_PLACE) & (labels[:, None] == digits)
        surest = np.where(same, scores, -1.0).argmax(axis=1)
        share = weight * same.any(axis=1, keepdims=True)
        moved += share * theirs[surest]
        total += share
    mean = np.divide(moved, total, out=boxes.copy(), where=total > 0)
    return records[base] | {"boxes": torch.from_numpy(mean).float()}
