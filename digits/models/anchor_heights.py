"""Choose the heights of anchors, and the pyramid maps that suit them; torch only."""

from collections.abc import Sequence

import numpy as np

from digits.errors import DigitsError
from digits.models.anchors import LevelAnchors

# Smallest and largest digit of SVHN, shrunk by augmentation, as a share of the photo's height.
_SHARES = (0.19, 1.03)


def short_side(min_size: int | Sequence[int]) -> int:
    """The short side in evaluation, pixels: of several, the last one."""
    return min_size[-1] if isinstance(min_size, Sequence) else min_size


def auto_heights(min_size: int | Sequence[int]) -> tuple[float, float]:
    """The anchor heights that `auto` stands for, in pixels of the resized photo."""
    short = short_side(min_size)
    return _SHARES[0] * short, _SHARES[1] * short


def digit_anchors(
    heights: tuple[float, float],
    count: int,
    aspect_ratios: Sequence[float],
    strides: Sequence[int],
    min_size: int,
) -> LevelAnchors:
    """Anchors of digit heights, on the maps whose strides suit them.

    The heights are spaced geometrically. The finest map used has a stride of at most two thirds of
    the smallest height, the coarsest one of at most an eighth of the largest, so that enough
    anchors overlap a digit. Finer maps than that are left to RoI pooling, since most of the anchors
    would lie there.

    Args:
        heights: smallest and largest, pixels of the resized photo.
        count: least number of heights; each map used gets equally many.
        aspect_ratios: height / width.
        strides: of the maps, finest first, pixels.
        min_size: short side of the resized photo in pixels, for the error message.

    Raises:
        DigitsError: impossible heights, or digits smaller than half a stride of the finest map.
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
    spaced = np.geomspace(smallest, largest, levels * per_level)
    # torchvision's size is the square root of the area; a digit is about twice as high as wide.
    sizes = (spaced / np.sqrt(2)).reshape(levels, per_level).tolist()
    return LevelAnchors(sizes, aspect_ratios, strides, slice(first, last + 1))
