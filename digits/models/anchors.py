"""Anchors of digit heights on the pyramid maps that suit them; torch only."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RPNHead

from digits.errors import DigitsError

# Smallest and largest digits of SVHN, zoomed out by augmentation, in heights of their photo.
_SHARES = (0.19, 1.03)


def short_side(min_size: int | Sequence[int]) -> int:
    """The short side in evaluation, pixels: of several, the last one."""
    return min_size[-1] if isinstance(min_size, Sequence) else min_size


def auto_heights(min_size: int | Sequence[int]) -> tuple[float, float]:
    """The anchor heights that `auto` means, in pixels of the resized photo."""
    short = short_side(min_size)
    return _SHARES[0] * short, _SHARES[1] * short


class LevelAnchors(AnchorGenerator):
    """Anchors on some of the maps."""

    levels = slice(None)

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        anchors: list[Tensor] = super().forward(image_list, feature_maps[self.levels])
        return anchors


class LevelRPNHead(RPNHead):
    """Proposals from some of the maps.

    The outputs are float32 under autocast: bfloat16 holds a coordinate to 8 bits, so a box at
    x = 300 would move by a pixel or two.
    """

    levels = slice(None)

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        logits, deltas = super().forward(x[self.levels])
        return [v.float() for v in logits], [v.float() for v in deltas]


def torchvision_anchors(
    sides: Sequence[Sequence[float]], aspect_ratios: Sequence[float]
) -> LevelAnchors:
    """Anchors on all maps, of the sides given per map."""
    return LevelAnchors(
        tuple(tuple(map(float, level)) for level in sides), (tuple(aspect_ratios),) * len(sides)
    )


def digit_anchors(
    heights: tuple[float, float],
    count: int,
    aspect_ratios: Sequence[float],
    strides: Sequence[int],
    min_size: int,
) -> LevelAnchors:
    """Anchors of digit heights, put on the maps whose cells suit them.

    The heights are spread geometrically. An anchor wants a cell no larger than two thirds of its
    height at the small end and an eighth at the large one, or too few lie close to a digit; finer
    maps than that are left to RoI pooling, since most of the anchors would lie there.

    Args:
        heights: smallest and largest, pixels of the resized photo.
        count: heights in all, at least; each map used gets as many as the others.
        aspect_ratios: height / width.
        strides: of the maps, finest first, pixels.
        min_size: short side of the resized photo, for the message.

    Raises:
        DigitsError: heights that are none, or digits that would fall between the cells.
    """
    smallest, largest = heights
    if not 0 < smallest < largest or count < 1:
        raise DigitsError(
            f"model.anchor_heights={list(heights)}, model.anchors={count}: expected [smallest, "
            "largest] in pixels of the resized photo, 0 < smallest < largest, and at least one."
        )
    first, last = (
        max(0, int(np.searchsorted(strides, wanted, side="right")) - 1)
        for wanted in (smallest / 1.5, largest / 8)
    )
    if strides[first] > 2 * smallest:
        enough = int(np.ceil(min_size * strides[first] / smallest / 2))
        raise DigitsError(
            f"model.anchor_heights={[round(h, 1) for h in heights]} at model.min_size={min_size}: "
            f"the backbone's finest map has a cell every {strides[first]} pixels, so digits "
            f"{smallest:.0f} pixels high fall between its cells. Say model.min_size={enough} or "
            "more with model.anchor_heights=auto, or choose a backbone with finer maps."
        )
    last = max(first, last)
    levels = last - first + 1
    per_level = -(-count // levels)
    spread = np.geomspace(smallest, largest, levels * per_level)
    # torchvision's size is the root of the area; a digit is about twice as high as wide.
    sides = (spread / np.sqrt(2)).reshape(levels, per_level).tolist()
    anchors = torchvision_anchors(sides, aspect_ratios)
    anchors.levels = slice(first, last + 1)
    return anchors
