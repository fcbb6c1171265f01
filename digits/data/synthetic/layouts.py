"""Layouts and colours of house numbers, drawn from a table of real ones.

The table samples SVHN train; `digits.data.synthetic.fit_layouts` writes it.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

TABLE = Path(__file__).with_name("layouts.npz")
_SMALL = 0.3  # share of photos whose digits are framed small, as many test photos are
_STACKED = 0.014  # share of numbers written downwards


@dataclass(frozen=True)
class Layout:
    """Place of a number in a photo; lengths in pixels of the final photo."""

    height: int
    width: int
    digits: tuple[int, ...]
    box_height: float
    center: tuple[float, float]  # x, y of the whole number
    slope: float  # dy / dx of the row
    stretch: float  # width of the boxes relative to the usual one of their digits
    gap: float  # between neighbours' boxes, in box heights
    stacked: bool


@cache
def _table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with np.load(TABLE) as table:
        return table["rows"].astype(np.int64), table["digits"], table["colours"] / np.float32(255)


def draw_layout(rng: np.random.Generator) -> Layout:
    """A real photo's layout with another real number of the same length in it, jittered."""
    rows, digits, _ = _table()
    number = tuple(int(d) for d in digits[rng.integers(len(rows))] if d >= 0)
    same = np.flatnonzero((digits >= 0).sum(1) == len(number))  # length and geometry go together
    width, height, box_height, x, y, slope, stretch, gap = rows[rng.choice(same)].tolist()
    scale = float(np.exp(rng.normal(0, 0.12)))
    size = np.array([width, height]) * scale
    box_height = max(9.0, box_height * scale)
    center = np.array([x, y]) / 2 * scale + rng.normal(0, 0.03, 2) * size
    if rng.random() < _SMALL:  # from further away: more wall around the same digits
        box_height = min(box_height, 60.0)
        size *= box_height / rng.uniform(0.2, 0.5) / size[1]
        if size.max() > 400:
            box_height, size = box_height * 400 / size.max(), size * 400 / size.max()
        center = size * rng.uniform(0.2, 0.8, 2)
    return Layout(
        height=max(12, round(size[1])),
        width=max(24, round(size[0])),
        digits=number,
        box_height=max(8.0, float(box_height)),
        center=(float(center[0]), float(center[1])),
        slope=slope / 1000 + rng.normal(0, 0.01),
        stretch=stretch / 1000 * float(np.exp(rng.normal(0, 0.05))),
        gap=gap / 1000 + rng.normal(0, 0.02),
        stacked=bool(len(number) > 1 and rng.random() < _STACKED),
    )


def draw_colours(rng: np.random.Generator) -> np.ndarray:
    """Ink, ground and surroundings of one real photo: float32 (3, 3), RGB in 0..1."""
    colours = _table()[2]
    return np.array(colours[rng.integers(len(colours))])
