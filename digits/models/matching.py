"""Match and sample boxes as digits or background, for a whole batch; torch only."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from digits.models.batch import Truth, as_tensor
from digits.models.boxes import constant, overlaps


class Matches(NamedTuple):
    """The matches of boxes; those that are neither digit nor background are ignored."""

    which: Tensor
    """int64 `(B, N)`, index of the true digit that each overlaps most."""
    digit: Tensor
    """bool `(B, N)`."""
    background: Tensor
    """bool `(B, N)`."""


class Sample(NamedTuple):
    """Boxes to train on."""

    rows: Tensor
    """int64 `(B, S)`."""
    drawn: Tensor
    """bool `(B, S)`: whether that column is used."""
    digits: int
    """The first so many columns are digits, the others background."""


def match(truth: Truth, boxes: Tensor, high: float, low: float, every_digit: bool) -> Matches:
    """Match boxes with the true digits, as torchvision's Matcher.

    Args:
        truth: of `B` photos.
        boxes: `(B or 1, N, 4)`.
        high: IoU from which a box shows a digit.
        low: IoU below which it is background.
        every_digit: whether the boxes that overlap a digit most show it, however little.
    """
    device = truth.boxes.device
    real = truth.real.unsqueeze(-1)
    iou = torch.where(real, overlaps(truth.boxes, boxes), constant(-1.0, device))  # (B, T, N)
    best, which = iou.max(1)
    digit = best >= constant(high, device)
    if every_digit:
        most = torch.bitwise_and(iou == iou.amax(2, keepdim=True), real)
        digit = torch.bitwise_or(digit, most.any(1))
    background = (best < constant(low, device)) > digit  # and not a digit
    return Matches(which, digit, background)


def sample(matches: Matches, count: int, share: float) -> Sample:
    """Draw boxes as torchvision's sampler: at random, digits up to a share.

    Args:
        matches: of `N` boxes.
        count: per photo, where there are so many.
        share: of digits among them, at most.
    """
    device, boxes = matches.digit.device, matches.digit.shape[1]
    never = constant(-1.0, device)
    chance = torch.rand(matches.digit.shape, device=device)
    most = min(int(count * share), boxes)
    digits, digit_index = torch.where(matches.digit, chance, never).topk(most, 1)
    other, other_index = torch.where(matches.background, chance, never).topk(min(count, boxes), 1)
    drawn = digits > never
    left = constant(count, device) - drawn.sum(1, keepdim=True)
    first = as_tensor(np.arange(other.shape[1]), device) < left
    drawn = torch.cat([drawn, torch.bitwise_and(other > never, first)], 1)
    return Sample(torch.cat([digit_index, other_index], 1), drawn, most)
