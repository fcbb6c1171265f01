"""One member's detections, corrected by what the other members see there."""

from collections.abc import Sequence

import numpy as np
import torch

from digits.geometry import overlaps
from digits.reading.base import as_arrays
from digits.types import SCORED_BOXES, Record

_SAME_PLACE = 0.7  # intersection over union above which two boxes are of one digit
_OPINION = 0.3  # how much another member's score counts beside the base's


def averaged(records: Sequence[Record], base: int, weights: Sequence[float]) -> Record:
    """The detections of one member, each at the mean of all members' boxes of that digit there.

    Weighted boxes fusion takes places and scores from all its members alike. Where one ranks
    digits better than the others do, its scores count most here, while all places count by their
    weights. What only others see is kept, by their share of the score.

    Args:
        records: of one photo, one per member.
        base: the index of the member that ranks best.
        weights: one per member; a member of weight 0 takes no part.

    Returns:
        The member's record: its own boxes first, in their order, each within the bounds of those
        that were averaged; then those that only others see, at most 100 boxes or as many as the
        member has.
    """
    places, sure, labels = as_arrays(records[base])
    count, everyone = len(places), float(weights[base])
    total = np.full(count, everyone)
    moved, scores = total[:, None] * places, total * sure
    for index, (record, weight) in enumerate(zip(records, weights, strict=True)):
        theirs, likely, digits = as_arrays(record)
        if index == base or not weight:
            continue
        everyone += _OPINION * weight
        surest_first = np.argsort(-likely, kind="stable")
        theirs, likely, digits = (values[surest_first] for values in (theirs, likely, digits))
        same = (overlaps(places, theirs) > _SAME_PLACE) & (labels[:, None] == digits)
        known = np.flatnonzero(same.any(axis=0))
        owners = (
            np.where(same[:, known], sure[:, None], -1.0).argmax(axis=0) if len(known) else known
        )
        owners, first = np.unique(owners, return_index=True)
        chosen = known[first]
        moved[owners] += weight * theirs[chosen]
        total[owners] += weight
        scores[owners] += _OPINION * weight * likely[chosen]
        new = np.flatnonzero(~same.any(axis=0))
        places, labels = np.concatenate([places, theirs[new]]), np.append(labels, digits[new])
        sure = np.append(sure, likely[new])
        moved = np.concatenate([moved, weight * theirs[new]])
        total = np.append(total, np.full(len(new), weight))
        scores = np.append(scores, _OPINION * weight * likely[new])
    if not everyone:
        return records[base]
    mean = np.divide(moved, total[:, None], out=places.copy(), where=total[:, None] > 0)
    others = count + np.argsort(-scores[count:], kind="stable")[: max(SCORED_BOXES - count, 0)]
    kept = np.concatenate([np.arange(count), others])
    return records[base] | {
        "boxes": torch.from_numpy(mean[kept]).float(),
        "scores": torch.from_numpy(scores[kept] / everyone).float(),
        "labels": torch.from_numpy(labels[kept]),
    }
