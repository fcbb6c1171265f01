"""Draw walls, from noise.

Pictures are float32 (H, W, 3), RGB in 0..1. Sizes follow the digits' height, so that bricks keep
theirs relative to the number.
"""

from functools import cache

import cv2
import numpy as np


def noise(rng: np.random.Generator, height: int, width: int, cell: float) -> np.ndarray:
    """Smooth noise of about unit variance, float32 (H, W); `cell`: pixels per bump."""
    if cell <= 1:
        return grain(rng, height, width)[..., 0]
    shape = (int(height / cell) + 3, int(width / cell) + 3)
    coarse = rng.standard_normal(shape, dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


@cache
def _film() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((384, 640, 4), dtype=np.float32)


def grain(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """White noise, float32 (H, W, 4): cut from one large array, since drawing it anew is slow."""
    film = _film()
    if height > 320 or width > 560:
        film = np.tile(film, (height // 320 + 1, width // 560 + 1, 1))
    y = rng.integers(film.shape[0] - height + 1)
    x = rng.integers(film.shape[1] - width + 1)
    return film[y : y + height, x : x + width]


def wall(
    rng: np.random.Generator, height: int, width: int, unit: float, colour: np.ndarray
) -> np.ndarray:
    """A wall or door of one material, around `colour` (3,); `unit`: digit height in pixels."""
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
        streaks = cv2.GaussianBlur(along[None], (0, 0), max(0.5, unit / 20))[0]
        pitch, width_px = unit * rng.uniform(0.6, 2.5), max(1.0, unit * rng.uniform(0.03, 0.1))
        grooves = (np.arange(len(along)) + rng.uniform(0, pitch)) % pitch < width_px
        line = streaks * rng.uniform(0.01, 0.08) - grooves * rng.uniform(0, 0.25)
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
    return np.asarray(picture)
