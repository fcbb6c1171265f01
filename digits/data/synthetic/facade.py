"""Draw windows, doors, railings and plants around a distant number.

A detector takes round and barred objects for digits, so photos that show much of a house show some.
"""

import cv2
import numpy as np

Box = tuple[int, int, int, int]  # x1, y1, x2, y2 in pixels
Tone = tuple[float, float, float]  # RGB in 0..1

_KINDS = ("window", "panel", "oval", "fanlight", "plant", "railing")
_PER_OBJECT = 12.0  # square digit heights of photo per object, on average
_MAX_OBJECTS = 7


def furnish(rng: np.random.Generator, picture: np.ndarray, keep: np.ndarray, unit: float) -> None:
    """Draw objects of a house on the picture, in place, none of them over the number.

    Args:
        rng: decides.
        picture: float32 (H, W, 3), RGB in 0..1.
        keep: (4,) x1, y1, x2, y2 of the number in pixels, with room for a line's thickness.
        unit: height of its digits in pixels.
    """
    height, width = picture.shape[:2]
    mean = height * width / unit**2 / _PER_OBJECT
    for _ in range(min(_MAX_OBJECTS, rng.poisson(mean))):
        size = unit * rng.uniform(0.7, 3.5, 2)
        low = rng.uniform(-size / 2, (width, height) - size / 2)
        high = low + size
        if (low < keep[2:]).all() and (high > keep[:2]).all():
            continue
        box = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
        _DRAW[str(rng.choice(_KINDS))](rng, picture, box, unit)


def _tone(rng: np.random.Generator, low: float = 0.0, high: float = 1.0) -> Tone:
    red, green, blue = np.clip(rng.uniform(low, high) + rng.normal(0, 0.06, 3), 0, 1).tolist()
    return red, green, blue


def _thick(rng: np.random.Generator, unit: float) -> int:
    return max(1, round(unit * rng.uniform(0.04, 0.16)))


def _window(rng: np.random.Generator, picture: np.ndarray, box: Box, unit: float) -> None:
    x1, y1, x2, y2 = box
    frame, thick = _tone(rng, 0.5), _thick(rng, unit)
    cv2.rectangle(picture, (x1, y1), (x2, y2), _tone(rng, 0, 0.6), -1)
    cv2.rectangle(picture, (x1, y1), (x2, y2), frame, thick)
    for x in np.linspace(x1, x2, int(rng.integers(2, 5)))[1:-1]:
        cv2.line(picture, (int(x), y1), (int(x), y2), frame, thick)
    for y in np.linspace(y1, y2, int(rng.integers(2, 5)))[1:-1]:
        cv2.line(picture, (x1, int(y)), (x2, int(y)), frame, thick)


def _panel(rng: np.random.Generator, picture: np.ndarray, box: Box, unit: float) -> None:
    x1, y1, x2, y2 = box
    step = _thick(rng, unit)
    base = float(picture[max(0, y1) : max(1, y2), max(0, x1) : max(1, x2)].mean() or 0.5)
    for offset, change in ((0, 0.15), (step, -0.15)):
        tone = (min(1.0, max(0.0, base + change * rng.uniform(0.3, 1.5))),) * 3
        corner = (x1 + offset, y1 + offset), (x2 - offset, y2 - offset)
        cv2.rectangle(picture, *corner, tone, step)


def _oval(rng: np.random.Generator, picture: np.ndarray, box: Box, unit: float) -> None:
    x1, y1, x2, y2 = box
    shape = ((x1 + x2) / 2, (y1 + y2) / 2), (x2 - x1, y2 - y1), 0.0
    if rng.random() < 0.7:
        cv2.ellipse(picture, shape, _tone(rng), -1)
    cv2.ellipse(picture, shape, _tone(rng), _thick(rng, unit))


def _fanlight(rng: np.random.Generator, picture: np.ndarray, box: Box, unit: float) -> None:
    x1, y1, x2, y2 = box
    base, axes = ((x1 + x2) // 2, y2), ((x2 - x1) // 2, y2 - y1)
    cv2.ellipse(picture, base, axes, 0, 180, 360, _tone(rng, 0, 0.5), -1)
    frame, thick = _tone(rng, 0.5), _thick(rng, unit)
    cv2.ellipse(picture, base, axes, 0, 180, 360, frame, thick)
    for angle in np.linspace(np.pi, 2 * np.pi, int(rng.integers(4, 8))):
        tip = base[0] + axes[0] * np.cos(angle), base[1] + axes[1] * np.sin(angle)
        cv2.line(picture, base, (int(tip[0]), int(tip[1])), frame, thick)


def _plant(rng: np.random.Generator, picture: np.ndarray, box: Box, unit: float) -> None:
    x1, y1, x2, y2 = box
    leaf = rng.uniform(0.05, 0.5) * np.array([rng.uniform(0.5, 1), 1, rng.uniform(0.2, 0.8)])
    flower = np.array(_tone(rng, 0.3))
    flowers = rng.uniform(0, 0.4)
    for _ in range(int(rng.integers(20, 60))):
        centre = rng.normal(((x1 + x2) / 2, (y1 + y2) / 2), ((x2 - x1) / 4, (y2 - y1) / 4))
        centre = np.clip(centre, (x1, y1), (x2, y2))
        colour = np.clip((flower if rng.random() < flowers else leaf) + rng.normal(0, 0.07), 0, 1)
        axes = unit * rng.uniform(0.06, 0.25, 2)
        shape = centre.tolist(), axes.tolist(), rng.uniform(0, 180)
        cv2.ellipse(picture, shape, colour.tolist(), -1)


def _railing(rng: np.random.Generator, picture: np.ndarray, box: Box, unit: float) -> None:
    x1, y1, x2, y2 = box
    tone, thick = _tone(rng), _thick(rng, unit)
    pitch = max(thick + 1, round(unit * rng.uniform(0.2, 0.7)))
    for x in range(x1, x2 + 1, pitch):
        if rng.random() < 0.3:  # turned balusters
            cv2.ellipse(picture, (x, (y1 + y2) // 2), (thick, (y2 - y1) // 4), 0, 0, 360, tone, -1)
        cv2.line(picture, (x, y1), (x, y2), tone, thick)
    if rng.random() < 0.7:
        for y in (y1, y2):
            cv2.line(picture, (x1, y), (x2, y), tone, thick)


_DRAW = dict(zip(_KINDS, (_window, _panel, _oval, _fanlight, _plant, _railing), strict=True))
