"""The second pass: detect small digits again in an enlarged part of the photo; numpy only.

A detector that resizes photos to a fixed short side leaves some ten pixels to the digits of a
photo of a whole door. So where the digits found are small in their photo, the part around them is
cut from the original pixels and detected again. Where the first pass is sure of none, the whole
photo is detected again, enlarged. What that gains is measured in docs/decisions.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from digits.passes.found import Found

Detect = Callable[[Sequence[Any], np.ndarray], Found]
"""Detects photos once, each at the usual input size times its factor `(B,)`."""


@dataclass(frozen=True)
class Zoom:
    """When a photo is detected again, and which part of it.

    Args:
        min_score: boxes with at least this score count as digits, in (0, 1).
        margin: kept around them, in digit heights.
        min_aspect: least width / height of the window, as far as the photo allows.
        gain: least ratio of the photo's short side to the window's.
        sure: photos in which no box has this score are searched, in (0, 1).
        search: they are detected again, enlarged by these factors, one after the other, while the
            photo has as many pixels; kept where the best score rises.

    Raises:
        ValueError: values that cannot work.
    """

    min_score: float = 0.3
    margin: float = 0.35
    min_aspect: float = 1.0
    gain: float = 1.25
    sure: float = 0.5
    search: Sequence[float] = (2.0, 4.0)

    def __post_init__(self) -> None:
        scores = 0 < self.min_score < 1 and 0 < self.sure < 1
        if not scores or self.margin <= 0 or self.gain <= 1 or self.min_aspect < 0:
            raise ValueError(
                f"{self}: expected min_score and sure between 0 and 1, margin > 0, min_aspect >= 0 "
                "and gain > 1."
            )
        if list(self.search) != sorted(self.search) or min(self.search, default=2) <= 1:
            raise ValueError(f"{self}: expected search to be factors above 1, ascending.")

    def improve(
        self, photos: Sequence[Any], found: Found, detect: Detect, short_side: float
    ) -> None:
        """Detect photos again where that finds more; replaces their rows of `found`.

        Args:
            photos: arrays or tensors `(3, H, W)`.
            found: what was detected in them.
            detect: see `Detect`.
            short_side: what `detect` resizes the short side of a photo to, pixels.
        """
        shapes = np.array([photo.shape[-2:] for photo in photos])
        left = np.arange(len(photos))  # whose search goes on
        for factor in (*self.search, np.inf):
            # Photos that are settled have their windows in the pass in which others are searched.
            best = found.scores[left].max(1, initial=0)
            enough = shapes[left].min(1) >= factor * short_side
            on = (best < self.sure) & enough
            unsure, settled = left[on], left[~on]
            chosen, windows = self.windows(found.of(settled), shapes[settled])
            chosen = settled[chosen]
            parts = [photos[i] for i in unsure]
            for i, (x1, y1, x2, y2) in zip(chosen, windows.tolist(), strict=True):
                parts.append(photos[i][:, y1:y2, x1:x2])
            if not parts:
                return
            factors = np.where(np.arange(len(parts)) < len(unsure), factor, 1.0)
            seen = detect(parts, factors)
            searched, closer = (
                seen.of(some) for some in np.split(np.arange(len(parts)), [len(unsure)])
            )
            better = searched.scores.max(1, initial=0) > np.maximum(best[on], self.min_score)
            found.replace(unsure[better], searched.of(better))
            found.replace(chosen, combine(found.of(chosen), closer, windows))
            left = unsure

    def windows(self, found: Found, shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The parts of photos to detect again.

        Args:
            found: in pixels of the photos.
            shapes: int `(B, 2)`, height and width of each photo.

        Returns:
            Indices of photos, `(N,)`, and their windows : int `(N, 4)`, x1, y1, x2, y2 in whole
            pixels, the last two exclusive.
        """
        digits = found.scores >= self.min_score
        count = digits.sum(1)
        heights = np.where(digits, found.boxes[..., 3] - found.boxes[..., 1], np.inf)
        middle = np.maximum(count - 1, 0)[:, None] // 2
        margin = self.margin * np.take_along_axis(np.sort(heights, 1), middle, 1)
        ends = np.where(
            digits[..., None], found.boxes, np.array([np.inf, np.inf, -np.inf, -np.inf], np.float32)
        )
        with np.errstate(invalid="ignore"):  # photos without digits
            left, top = (ends[..., :2].min(1, initial=np.inf) - margin).T
            right, bottom = (ends[..., 2:].max(1, initial=-np.inf) + margin).T
            wider = np.maximum(0.0, self.min_aspect * (bottom - top) - (right - left)) / 2
        height, width = shapes.T
        windows = np.zeros((len(shapes), 4), dtype=np.int64)
        some = count > 0
        low = np.stack([left - wider, top], 1)[some].astype(np.int64)
        high = np.stack([right + wider, bottom], 1)[some].astype(np.int64) + 1
        windows[some, :2] = np.maximum(0, low)
        windows[some, 2:] = np.minimum(np.stack([width, height], 1)[some], high)
        short = (windows[:, 2:] - windows[:, :2]).min(1)
        (chosen,) = ((short > 0) & (short * self.gain < shapes.min(1))).nonzero()
        return chosen, windows[chosen]


def combine(first: Found, second: Found, windows: np.ndarray) -> Found:
    """Detections of the second pass inside the windows, of the first pass outside.

    Args:
        first: of the whole photos, in their pixels.
        second: of their windows, in those pixels.
        windows: int `(B, 4)`, see `Zoom.windows`.

    Returns:
        As many per photo as in the first pass, those of the highest scores.
    """
    low, high = windows[:, None, :2], windows[:, None, 2:]
    centres = (first.boxes[..., :2] + first.boxes[..., 2:]) / 2
    inside = ((centres >= low) & (centres <= high)).all(-1)
    offset = np.tile(windows[:, None, :2], 2).astype(np.float32)
    scores = np.concatenate([second.scores, np.where(inside, np.float32(-1), first.scores)], 1)
    boxes = np.concatenate([second.boxes + offset, first.boxes], 1)
    labels = np.concatenate([second.labels, first.labels], 1)
    order = np.argsort(-scores, 1, kind="stable")[:, : first.scores.shape[1]]
    return Found(
        np.take_along_axis(boxes, order[..., None], 1),
        np.take_along_axis(scores, order, 1),
        np.take_along_axis(labels, order, 1),
    )
