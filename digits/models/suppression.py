"""Non-maximum suppression and box voting in many groups of boxes at once; torch only.

Some ten proposals hit a digit, and each gives a box. Suppression keeps the one of the highest
score; voting (Gidaris & Komodakis 2015, arXiv 1505.01749) moves it to the mean of all that overlap
it, weighted by their scores.
"""

import torch
from torch import Tensor
from torchvision.ops import nms

from digits.models.boxes import constant, overlaps

_MAX_PAIRS = 2**24  # at once, to bound memory at torchvision's thousands of proposals
_MAX_DENSE = 300  # boxes of a group that are compared all with all on a processor
_ROUNDS = 3  # of suppression between two looks at whether it has ended, for which a GPU must wait


def suppress(
    boxes: Tensor, scores: Tensor, real: Tensor, limit: float, voting: float | None = None
) -> tuple[Tensor, Tensor]:
    """Suppress the boxes of each group, and move them by voting.

    Args:
        boxes: `(G, N, 4)`, the surest of each group first.
        scores: `(G, N)`, their weights in voting.
        real: `(G, N)`, which of them count.
        limit: a box goes if it overlaps one that stays by more, as intersection over union.
        voting: those that overlap a box by more move it; None: it stays where it is.

    Returns:
        Bool `(G, N)`, and boxes `(G, N, 4)`.
    """
    at_once = max(1, _MAX_PAIRS // max(1, boxes.shape[1] ** 2))
    if len(boxes) > at_once:
        some = [slice(start, start + at_once) for start in range(0, len(boxes), at_once)]
        parts = [suppress(boxes[p], scores[p], real[p], limit, voting) for p in some]
        return torch.cat([kept for kept, _ in parts]), torch.cat([moved for _, moved in parts])
    if voting is None and boxes.shape[1] > _MAX_DENSE and boxes.device.type == "cpu":
        return _one_by_one(boxes, real, limit), boxes
    iou = overlaps(boxes, boxes)
    moved = boxes if voting is None else vote(boxes, scores, iou, voting)
    return greedy(iou > constant(limit, iou.device), real), moved


def _one_by_one(boxes: Tensor, real: Tensor, limit: float) -> Tensor:
    """As `greedy`, group by group, without comparing boxes that are gone already: what pays on a
    processor where boxes are many."""
    kept = torch.zeros_like(real)
    order = torch.arange(boxes.shape[1], 0, -1, dtype=boxes.dtype)
    for mine, group, here in zip(kept, boxes, real, strict=True):
        mine[here.nonzero()[nms(group[here], order[here], limit), 0]] = True
    return kept


def greedy(rivals: Tensor, real: Tensor) -> Tensor:
    """What stays of each group if every box in turn ousts its rivals that come later.

    Beginning with all, every round settles at least one more box from the front, so the rounds
    end at just that (Zheng et al. 2020, arXiv 2005.03572, sec. 3.3), usually after two to five.

    Args:
        rivals: bool `(G, N, N)`, which boxes overlap too much.
        real: bool `(G, N)`, which of them count.
    """
    # As numbers, since a matrix product is several times as fast as the same in bools.
    zero, half, one = (constant(value, real.device) for value in (0.0, 0.5, 1.0))
    later = torch.bitwise_and(rivals.triu(1), real.unsqueeze(-1))
    beating = torch.where(later, one, zero)
    kept = torch.where(real, one, zero).unsqueeze(-2)
    with torch.autocast(real.device.type, enabled=False):
        while True:
            for _ in range(_ROUNDS):  # who is beaten by none that is kept
                before, kept = kept, torch.bmm(kept, beating).lt_(half)
            if torch.equal(before, kept):
                return torch.bitwise_and(kept.squeeze(-2) > zero, real)


def vote(boxes: Tensor, scores: Tensor, iou: Tensor, limit: float) -> Tensor:
    """Every box moved to the weighted mean of those around it.

    Args:
        boxes: `(G, N, 4)`.
        scores: `(G, N)`, their weights.
        iou: `(G, N, N)`, of the boxes.
        limit: a box counts if it overlaps by more.
    """
    far = constant(0.0, iou.device)
    weights = torch.where(iou > constant(limit, iou.device), scores.unsqueeze(-2), far)
    total = weights.sum(-1, keepdim=True)
    with torch.autocast(boxes.device.type, enabled=False):  # bfloat16 is too coarse for pixels
        mean = torch.bmm(weights, boxes) / total
    return torch.where(total > constant(1e-12, iou.device), mean, boxes)
