"""What surrounds a synthetic house number: walls, clutter, light, and the camera's faults.

Pictures are float32 (H, W, 3), RGB in 0..1. `unit` is the digits' height in pixels, so that bricks
and blur keep their size relative to the number.
"""

from functools import cache

import cv2
import numpy as np

from digits.data.synthetic.typefaces import FACES, glyph

# No letter that a blurred photo turns into a digit: none of A B D G I J L O Q S Z.
_LETTERS = "CEFHKMNPRTUVWXY"


def noise(rng: np.random.Generator, height: int, width: int, cell: float) -> np.ndarray:
    """Smooth noise of about unit variance, float32 (H, W); `cell`: pixels per bump."""
    if cell <= 1:
        return grain(rng, height, width)[..., 0]
    shape = (int(height / cell) + 3, int(width / cell) + 3)
    coarse = rng.standard_normal(shape, dtype=np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@cache
def _film() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((384, 640, 4), dtype=np.float32)


def grain(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """White noise, float32 (H, W, 4): a window of one sheet, since drawing it afresh is slow."""
    film = _film()
    if height > 320 or width > 560:
        film = np.tile(film, (height // 320 + 1, width // 560 + 1, 1))
    y = rng.integers(film.shape[0] - height + 1)
    x = rng.integers(film.shape[1] - width + 1)
    return film[y : y + height, x : x + width]


def wall(
    rng: np.random.Generator, height: int, width: int, unit: float, colour: np.ndarray
) -> np.ndarray:
    """A wall or door of one material around `colour`."""
    kind = rng.choice(6, p=(0.46, 0.22, 0.13, 0.07, 0.08, 0.04))
    rough = noise(rng, height, width, max(1.0, unit * rng.uniform(0.3, 1.5)))
    shade = rough * rng.uniform(0.005, 0.05)
    if kind == 0:  # plaster, paint
        shade += noise(rng, height, width, max(1.5, unit / 12)) * rng.uniform(0, 0.03)
    elif kind == 1:  # bricks, or blocks
        picture = _bricks(rng, height, width, unit * rng.uniform(0.35, 1.1), colour)
        return picture + shade[..., None]
    elif kind == 2:  # boards, panels
        along = rng.standard_normal(width if rng.random() < 0.6 else height).astype(np.float32)
        grain = cv2.GaussianBlur(along[None], (0, 0), max(0.5, unit / 20))[0]
        pitch, width_px = unit * rng.uniform(0.6, 2.5), max(1.0, unit * rng.uniform(0.03, 0.1))
        grooves = (np.arange(len(along)) + rng.uniform(0, pitch)) % pitch < width_px
        line = grain * rng.uniform(0.01, 0.08) - grooves * rng.uniform(0, 0.25)
        shade += line[None, :] if len(along) == width else line[:, None]
    elif kind == 3:  # stone
        veins = np.abs(noise(rng, height, width, max(1.5, unit * rng.uniform(0.15, 0.5))))
        shade += (veins - 0.7) * rng.uniform(0.02, 0.08)
    elif kind == 4:  # tiles, window bars
        pitch = unit * rng.uniform(0.8, 2.5)
        thick = max(1.0, unit * rng.uniform(0.03, 0.12))
        x = (np.arange(width) + rng.uniform(0, pitch)) % pitch < thick
        y = (np.arange(height) + rng.uniform(0, pitch)) % pitch < thick
        shade += (x[None, :] | y[:, None]) * np.float32(rng.uniform(-0.2, 0.2))
    else:  # leaves
        leaf = noise(rng, height, width, max(1.5, unit * rng.uniform(0.1, 0.4)))
        shade += leaf * rng.uniform(0.05, 0.15)
    return colour + shade[..., None].astype(np.float32)


def _bricks(
    rng: np.random.Generator, height: int, width: int, brick: float, colour: np.ndarray
) -> np.ndarray:
    long = brick * rng.uniform(1.8, 3.5)
    y = np.arange(height, dtype=np.float32) + np.float32(rng.uniform(0, brick))
    row = (y / brick).astype(int)
    x = np.arange(width, dtype=np.float32)[None] + (row[:, None] % 2) * np.float32(long / 2)
    column = (x / long).astype(int)
    tones = rng.normal(0, rng.uniform(0.02, 0.08), (row[-1] + 1, column.max() + 1))
    picture = colour + tones[row[:, None], column][..., None].astype(np.float32)
    joint = max(1.0, brick * rng.uniform(0.06, 0.16))
    mortar = (y % brick < joint)[:, None] | (x % long < joint)
    gray = colour.mean() + rng.normal(0.08, 0.15)
    picture[mortar] = 0.3 * colour + 0.7 * np.float32(np.clip(gray, 0.05, 0.95))
    return picture


def clutter(
    rng: np.random.Generator, picture: np.ndarray, keep: np.ndarray, unit: float
) -> np.ndarray:
    """Door frames, neighbouring walls, slots, bolts and letters outside `keep` (x1, y1, x2, y2)."""
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = (float(v) for v in keep)
    for _ in range(rng.choice(4, p=(0.35, 0.35, 0.2, 0.1))):  # bands along the photo's sides
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
    thick = max(1, round(unit * rng.uniform(0.03, 0.12)))
    for _ in range(rng.poisson(0.5)):  # cables, gutters, joints: right across the photo
        tone = (float(np.clip(picture.mean() + rng.normal(0, 0.25), 0, 1)),) * 3
        a, b = rng.uniform(-0.2, 1.2, 2)
        upright = rng.random() < 0.6
        if upright and (max(a, b) * width < x1 or min(a, b) * width > x2):
            cv2.line(picture, (int(a * width), 0), (int(b * width), height), tone, thick)
        elif not upright and (max(a, b) * height < y1 or min(a, b) * height > y2):
            cv2.line(picture, (0, int(a * height)), (width, int(b * height)), tone, thick)
    for _ in range(rng.poisson(0.4)):  # letter slots, bells, lamps, bolts
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
    if rng.random() < 0.18:
        _letters(rng, picture, (x1, y1, x2, y2), unit)
    return picture


def _letters(
    rng: np.random.Generator,
    picture: np.ndarray,
    keep: tuple[float, float, float, float],
    unit: float,
) -> None:
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
