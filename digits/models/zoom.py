"""Closer looks at small digits; torch only, no Lightning.

A detector that takes photos of a fixed short side sees the digits of a whole door in some ten
pixels. So where the digits found are small in their photo, the surroundings are cut off and the
rest is detected again, from the photo's own pixels. Coarse to fine; on photos extended until their
digits took 0.12 to 0.3 of the height it doubled the numbers read (docs/experiments.md). Where the
first look finds none at all, it is taken again from closer, over the whole photo.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torchvision.models.detection import FasterRCNN

Window = tuple[int, int, int, int]
"""x1, y1, x2, y2 in whole pixels of the photo, the last two exclusive."""


@dataclass(frozen=True)
class Zoom:
    """Where a closer look pays, and what becomes of its detections.

    Args:
        min_score: surer boxes count as digits for the choice of the window, in (0, 1).
        margin: kept around them, in digit heights.
        min_aspect: least width / height of the window, within the photo.
        gain: the window must be so many times smaller than the photo, by their short sides.
        search: where no digit is found, the whole photo is looked at again, so many times larger
            than at first, one factor after the other while the photo has as many pixels.
    """

    min_score: float = 0.3
    margin: float = 0.35
    min_aspect: float = 1.0
    gain: float = 1.25
    search: tuple[float, ...] = (2.0, 4.0)

    def __post_init__(self) -> None:
        if not 0 < self.min_score < 1 or self.margin <= 0 or self.gain <= 1 or self.min_aspect < 0:
            raise ValueError(
                f"{self}: expected 0 < min_score < 1, margin > 0, min_aspect >= 0 and gain > 1."
            )
        if list(self.search) != sorted(self.search) or min(self.search, default=2) <= 1:
            raise ValueError(f"{self}: expected search to be factors above 1, ascending.")

    def window(self, boxes: Tensor, scores: Tensor, height: int, width: int) -> Window | None:
        """What to look at closer, if anything.

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


def combine(
    first: dict[str, Tensor], closer: dict[str, Tensor], window: Window, limit: int
) -> dict[str, Tensor]:
    """Detections of the closer look where it looked, of the first look elsewhere.

    Args:
        first: detections in pixels of the photo.
        closer: in pixels of the window.
        window: see `Window`.
        limit: most boxes to return, the surest.
    """
    low, high = (first["boxes"].new_tensor(ends) for ends in (window[:2], window[2:]))
    centres = (first["boxes"][:, :2] + first["boxes"][:, 2:]) / 2
    outside = ((centres < low) | (centres > high)).any(dim=1)
    closer = closer | {"boxes": closer["boxes"] + low.repeat(2)}
    both = {key: torch.cat([closer[key], first[key][outside]]) for key in first}
    order = both["scores"].argsort(descending=True, stable=True)[:limit]
    return {key: value[order] for key, value in both.items()}


class ZoomingRCNN(FasterRCNN):
    """Faster R-CNN that looks again, in evaluation, where `zoom` says so."""

    zoom: Zoom | None = None

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        """Losses in training, detections in evaluation: as torchvision's."""
        found = super().forward(images, targets)
        if self.training or self.zoom is None:
            return found
        self._search(images, found, self.zoom)
        windows = {}
        for index, (image, first) in enumerate(zip(images, found, strict=True)):
            height, width = image.shape[-2:]
            window = self.zoom.window(first["boxes"], first["scores"], height, width)
            if window:
                windows[index] = window
        parts = [
            images[i][:, top:bottom, left:right]
            for i, (left, top, right, bottom) in windows.items()
        ]
        closer = super().forward(parts) if parts else []
        limit = cast(int, self.roi_heads.detections_per_img)
        for (index, window), second in zip(windows.items(), closer, strict=True):
            found[index] = combine(found[index], second, window, limit)
        return found

    def _search(self, images: list[Tensor], found: list[dict[str, Tensor]], zoom: Zoom) -> None:
        """Put detections of enlarged photos where there were no digits before, in place."""
        transform = self.transform
        sides = transform.min_size, transform.max_size
        for factor in zoom.search:
            lost = [
                index
                for index, (image, digits) in enumerate(zip(images, found, strict=True))
                if not (digits["scores"] >= zoom.min_score).any()
                and min(image.shape[-2:]) >= factor * sides[0][-1]
            ]
            if not lost:
                break
            transform.min_size = [round(factor * side) for side in sides[0]]
            transform.max_size = round(factor * sides[1])
            try:
                again = super().forward([images[index] for index in lost])
            finally:
                transform.min_size, transform.max_size = sides
            for index, digits in zip(lost, again, strict=True):
                if (digits["scores"] >= zoom.min_score).any():
                    found[index] = digits
