"""Draw clutter near a number: door frames, cables, slots, letters."""

import cv2
import numpy as np

from digits.data.synthetic.typefaces import FACES, glyph
from digits.data.synthetic.walls import wall

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels

# No letter that a blurred photo turns into a digit: none of A B D G I J L O Q S Z.
_LETTERS = "CEFHKMNPRTUVWXY"


def clutter(
    rng: np.random.Generator, picture: np.ndarray, keep: np.ndarray, unit: float
) -> np.ndarray:
    """Draw door frames, neighbouring walls, slots, bolts and letters on a picture, in place.

    Args:
        rng: decides.
        picture: float32 (H, W, 3), RGB in 0..1.
        keep: (4,) x1, y1, x2, y2 in pixels, which stays free.
        unit: height of the number's digits in pixels.

    Returns:
        `picture`.
    """
    left, top, right, bottom = (float(v) for v in keep)
    place = (left, top, right, bottom)
    _bands(rng, picture, place, unit)
    _lines(rng, picture, place, unit)
    _objects(rng, picture, place, unit)
    if rng.random() < 0.18:
        _letters(rng, picture, place, unit)
    return picture


def _bands(rng: np.random.Generator, picture: np.ndarray, keep: Box, unit: float) -> None:
    """Door frames and neighbouring walls along the photo's sides."""
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = keep
    for _ in range(rng.choice(4, p=(0.35, 0.35, 0.2, 0.1))):
        side = rng.choice(4, p=(0.35, 0.35, 0.15, 0.15))
        room = (x1, width - x2, y1, height - y2)[side]
        if room < 0.15 * unit:
            continue
        depth = int(room * rng.uniform(0.1, 0.95))
        area = (
            np.s_[:, :depth],
            np.s_[:, width - depth :],
            np.s_[:depth],
            np.s_[height - depth :],
        )[side]
        part = picture[area]
        if not part.size:
            continue
        if rng.random() < 0.4:
            tone = np.clip(picture.mean() + rng.normal(0, 0.3) + rng.normal(0, 0.05, 3), 0, 1)
        else:
            tone = rng.choice([rng.uniform(0, 0.15), rng.uniform(0.6, 0.95)]) + np.zeros(3)
        band = wall(rng, part.shape[0], part.shape[1], unit, tone.astype(np.float32))
        picture[area] = 0.1 * part + 0.9 * band


def _lines(rng: np.random.Generator, picture: np.ndarray, keep: Box, unit: float) -> None:
    """Cables, gutters, joints: right across the photo."""
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = keep
    thick = max(1, round(unit * rng.uniform(0.03, 0.12)))
    for _ in range(rng.poisson(0.5)):
        tone = (float(np.clip(picture.mean() + rng.normal(0, 0.25), 0, 1)),) * 3
        a, b = rng.uniform(-0.2, 1.2, 2)
        upright = rng.random() < 0.6
        if upright and (max(a, b) * width < x1 or min(a, b) * width > x2):
            cv2.line(picture, (int(a * width), 0), (int(b * width), height), tone, thick)
        elif not upright and (max(a, b) * height < y1 or min(a, b) * height > y2):
            cv2.line(picture, (0, int(a * height)), (width, int(b * height)), tone, thick)


def _objects(rng: np.random.Generator, picture: np.ndarray, keep: Box, unit: float) -> None:
    """Letter slots, bells, lamps, bolts."""
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = keep
    for _ in range(rng.poisson(0.4)):
        w, h = unit * rng.uniform(0.15, 1.2), unit * rng.uniform(0.1, 0.5)
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        if x1 - w < x < x2 + w and y1 - h < y < y2 + h:
            continue
        tone = (rng.uniform(0, 0.9) + rng.normal(0, 0.06, 3)).tolist()
        if rng.random() < 0.5:
            cv2.ellipse(picture, ((x, y), (w, h), rng.uniform(0, 180)), tone, -1, cv2.LINE_AA)
        else:
            low, high = (int(x - w / 2), int(y - h / 2)), (int(x + w / 2), int(y + h / 2))
            cv2.rectangle(picture, low, high, tone, -1)


def _letters(rng: np.random.Generator, picture: np.ndarray, keep: Box, unit: float) -> None:
    """A piece of a street's name above or below the number."""
    height, width = picture.shape[:2]
    size = max(4, round(unit * rng.uniform(0.2, 0.7)))
    face = int(rng.integers(len(FACES)))
    x = rng.uniform(-0.5 * unit, 0.6 * width)
    y = int(rng.choice([keep[1] - size * rng.uniform(1.2, 2), keep[3] + size * rng.uniform(0, 1)]))
    tone = np.float32(np.clip(picture.mean() + rng.choice([-0.4, 0.4]) + rng.normal(0, 0.1), 0, 1))
    for letter in rng.choice(list(_LETTERS), rng.integers(2, 9)):
        mask = glyph(face, str(letter)).mask
        wide = max(2, round(mask.shape[1] * size / mask.shape[0]))
        x += wide * 1.15
        left, right, top, bottom = max(0, int(x)), min(width, int(x) + wide), max(0, y), y + size
        if left >= right or top >= min(bottom, height):
            continue
        mask = cv2.resize(mask, (wide, size), interpolation=cv2.INTER_AREA)
        mask = mask[top - y : height - y, left - int(x) : right - int(x), None] / np.float32(255)
        picture[top:bottom, left:right] += mask * (tone - picture[top:bottom, left:right])
