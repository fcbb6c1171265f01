"""Box arithmetic for whole batches: IoU, regression, clipping; torch only.

Boxes are xyxy. All functions work on any leading dimensions, which stand for photos, maps or
classes, so that what they cost in calls does not grow with the number of photos.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

_MAX_GROWTH = math.log(1000 / 16)  # of a side, as torchvision bounds it


@lru_cache(maxsize=64, typed=True)
def constant(value: float, device: torch.device) -> Tensor:
    """A number as a tensor `()`: torch makes one, in four calls, wherever it meets a number."""
    with torch.inference_mode(False):
        return torch.tensor(value, device=device)


def overlaps(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union `(..., N, M)` of `(..., N, 4)` and `(..., M, 4)`; NaN if both are
    empty."""
    left, top, right, bottom = first.split_with_sizes([1] * 4, -1)  # (..., N, 1)
    left2, top2, right2, bottom2 = second.transpose(-2, -1).split_with_sizes(
        [1] * 4, -2
    )  # (..., 1, M)
    # In place, since fresh memory is what takes longest on a processor.
    shared = right.minimum(right2).sub_(left.maximum(left2)).clamp_(min=0.0)
    shared.mul_(bottom.minimum(bottom2).sub_(top.maximum(top2)).clamp_(min=0.0))
    areas, areas2 = (right - left) * (bottom - top), (right2 - left2) * (bottom2 - top2)
    return shared.div_((areas + areas2).sub_(shared))


def decode(deltas: Tensor, anchors: Tensor) -> Tensor:
    """Boxes `(..., 4)` from regression outputs, as torchvision's BoxCoder.

    Args:
        deltas: `(..., 4)`: shift of the centre in sides of the anchor, log of the sides' ratios.
        anchors: `(..., 4)`.
    """
    low, high = anchors.split_with_sizes([2, 2], -1)
    shift, growth = deltas.split_with_sizes([2, 2], -1)
    sides = high - low
    centres = torch.add(low, sides, alpha=0.5).addcmul(shift, sides)
    sides = growth.minimum(constant(_MAX_GROWTH, growth.device)).exp() * sides
    ends = torch.sub(centres, sides, alpha=0.5), torch.add(centres, sides, alpha=0.5)
    return torch.cat(ends, -1)


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """The inverse of `decode`: what regression should give, `(..., 4)`."""
    low, high = boxes.split_with_sizes([2, 2], -1)
    anchor_low, anchor_high = anchors.split_with_sizes([2, 2], -1)
    sides, anchor_sides = high - low, anchor_high - anchor_low
    centres = torch.add(low, sides, alpha=0.5)
    shift = centres - torch.add(anchor_low, anchor_sides, alpha=0.5)
    return torch.cat([shift / anchor_sides, (sides / anchor_sides).log()], -1)


def clip(boxes: Tensor, limits: Tensor) -> Tensor:
    """Boxes within photos: `limits` is width, height, width, height, to be broadcast."""
    return boxes.maximum(constant(0.0, boxes.device)).minimum(limits)


def has_sides(boxes: Tensor, least: float) -> Tensor:
    """Which boxes `(..., 4)` have both sides of at least so many pixels, `(...)`."""
    low, high = boxes.split_with_sizes([2, 2], -1)
    return (high - low).ge(constant(least, boxes.device)).all(-1)


def rows(values: Tensor, index: Tensor) -> Tensor:
    """Rows `(..., K, 4)` of `(..., N, 4)` by their indices `(..., K)`."""
    return values.gather(-2, of_rows(index))


def of_rows(index: Tensor) -> Tensor:
    """Indices of rows, as `gather` wants them for all four columns: `(..., K)` to `(..., K, 4)`."""
    return index.unsqueeze(-1).expand(*index.shape, 4)
