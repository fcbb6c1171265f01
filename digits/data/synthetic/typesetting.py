"""Typeset a number: the ink and place of each digit on a sheet."""

from dataclasses import dataclass

import cv2
import numpy as np

from digits.data.synthetic.layouts import Layout
from digits.data.synthetic.typefaces import FACES, GLYPH, glyph

PAD = 0.75  # (digit heights) room around a number on its sheet


@dataclass(frozen=True)
class Row:
    """A number typeset on a flat sheet, `PAD` digit heights larger all around; all in pixels."""

    masks: list[np.ndarray]  # float32 (h, w) in 0..1, one per digit
    places: list[tuple[int, int]]  # x, y of the masks' top left corners
    hulls: list[np.ndarray]  # float32 (K, 2): x, y of the ink's convex hulls
    size: tuple[int, int]  # height, width of the sheet
    side: float  # between the ink and its box's left and right edges
    slope: float  # that the sheet is still to be tilted by, dy / dx


def typeset(rng: np.random.Generator, layout: Layout, tall: float, share: float) -> Row:
    """Typeset a number in a random typeface.

    Args:
        rng: decides.
        layout: its digits, their width and spacing.
        tall: height of the digits' boxes in pixels.
        share: of the boxes' height that is ink.
    """
    face = int(rng.integers(len(FACES)))
    size = max(6, round(tall * share))
    usual = float(np.mean([glyph(face, c).mask.shape[1] for c in "023456789"])) / GLYPH
    side = tall * rng.uniform(0.01, 0.05)
    stretch = (0.475 * layout.stretch * tall - 2 * side) / (usual * size)
    stretch = float(np.clip(stretch, 0.6, 1.5))  # further would not look like a typeface
    # Digits screwed on one by one climb in steps; those on one plate tilt as a whole.
    steps = abs(layout.slope) > 0.1 and rng.random() < 0.4
    masks, hulls, corners = [], [], []
    x = y = 0.0
    for digit in layout.digits:
        shape = glyph(face, str(digit))
        wide = max(2, round(shape.mask.shape[1] / GLYPH * size * stretch))
        mask = cv2.resize(shape.mask, (wide, size), interpolation=cv2.INTER_AREA)
        masks.append(mask.astype(np.float32) / 255)
        hulls.append(shape.hull * np.array([wide * GLYPH / shape.mask.shape[1], size], np.float32))
        corners.append((x, y))
        advance = wide + 2 * side + layout.gap * tall
        if layout.stacked:
            y += tall * (1.05 + abs(layout.gap))
        else:
            x += max(advance, 0.8 * wide)
            y += layout.slope * advance if steps else rng.normal(0, 0.01) * tall
    pad = int(PAD * tall)
    shift = pad - np.min(corners, axis=0)
    places = [(round(cx + shift[0]), round(cy + shift[1])) for cx, cy in corners]
    hulls = [hull + np.array(place, np.float32) for hull, place in zip(hulls, places, strict=True)]
    right, bottom = np.max([hull.max(0) for hull in hulls], axis=0)
    sheet = (int(np.ceil(bottom)) + pad, int(np.ceil(right)) + pad)
    return Row(masks, places, hulls, sheet, side, 0.0 if steps else layout.slope)
