"""Where a second pass over an enlarged part of a photo finds small digits; torch only.

A detector that resizes photos to a fixed short side leaves some ten pixels to the digits of a
photo of a whole door. So where the digits found are small in their photo, the part around them is
cut from the original pixels and detected again. Where the first pass finds none at all, the whole
photo is detected again, enlarged. What that gains is measured in docs/decisions.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import torch
from torch import Tensor

from digits.types import Detections

Window = tuple[int, int, int, int]
"""x1, y1, x2, y2 in whole pixels of the photo, the last two exclusive."""


class ZoomOptions(TypedDict, total=False):
    """Arguments of `Zoom`, as plain data from a config."""

    min_score: float
    margin: float
    min_aspect: float
    gain: float
    search: Sequence[float]


@dataclass(frozen=True)
class Zoom:
    """When a photo is detected again, and which part of it.

    Args:
        min_score: boxes with at least this score count as digits, in (0, 1).
        margin: kept around them, in digit heights.
        min_aspect: least width / height of the window, as far as the photo allows.
        gain: least ratio of the photo's short side to the window's.
        search: where no digit is found, the whole photo is detected again, enlarged by these
            factors, one after the other, while the photo has as many pixels.

    Raises:
        ValueError: values that cannot work.
    """

    min_score: float = 0.3
    margin: float = 0.35
    min_aspect: float = 1.0
    gain: float = 1.25
    search: Sequence[float] = (2.0, 4.0)

    def __post_init__(self) -> None:
        if not 0 < self.min_score < 1 or self.margin <= 0 or self.gain <= 1 or self.min_aspect < 0:
            raise ValueError(
                f"{self}: expected 0 < min_score < 1, margin > 0, min_aspect >= 0 and gain > 1."
            )
        if list(self.search) != sorted(self.search) or min(self.search, default=2) <= 1:
            raise ValueError(f"{self}: expected search to be factors above 1, ascending.")

    def has_digits(self, detections: Detections) -> bool:
        """Whether any box counts as a digit."""
        return bool((detections["scores"] >= self.min_score).any())

    def window(self, boxes: Tensor, scores: Tensor, height: int, width: int) -> Window | None:
        """The part of a photo to detect again, or None.

        Args:
            boxes: `(N, 4)` xyxy in pixels of a photo of `height` x `width`.
            scores: `(N,)`.
        """
        digits = boxes[scores >= self.min_score].cpu()
        if not len(digits):
            return None
        margin = self.margin * float((digits[:, 3] - digits[:, 1]).median())
        left, top = (digits[:, :2].amin(0) - margin).tolist()
        right, bottom = (digits[:, 2:].amax(0) + margin).tolist()
        wider = max(0.0, self.min_aspect * (bottom - top) - (right - left)) / 2
        window = (
            max(0, int(left - wider)),
            max(0, int(top)),
            min(width, int(right + wider) + 1),
            min(height, int(bottom) + 1),
        )
        short = min(window[2] - window[0], window[3] - window[1])
        return window if 0 < short * self.gain < min(height, width) else None


def combine(first: Detections, second: Detections, window: Window, limit: int) -> Detections:
    """Detections of the second pass inside the window, of the first pass outside.

    Args:
        first: of the whole photo, in its pixels.
        second: of the window, in its pixels.
        window: see `Window`.
        limit: most boxes to return, those of the highest scores.
    """
    low, high = (first["boxes"].new_tensor(ends) for ends in (window[:2], window[2:]))
    centres = (first["boxes"][:, :2] + first["boxes"][:, 2:]) / 2
    outside = ((centres < low) | (centres > high)).any(dim=1)
    scores = torch.cat([second["scores"], first["scores"][outside]])
    order = scores.argsort(descending=True, stable=True)[:limit]
    return {
        "boxes": torch.cat([second["boxes"] + low.repeat(2), first["boxes"][outside]])[order],
        "scores": scores[order],
        "labels": torch.cat([second["labels"], first["labels"][outside]])[order],
    }
