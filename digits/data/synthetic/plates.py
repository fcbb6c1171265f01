"""Draw the plate of a number sign on a sheet of premultiplied RGBA."""

import cv2
import numpy as np

from digits.data.synthetic.typesetting import Row


def draw_plate(
    rng: np.random.Generator,
    sheet: np.ndarray,
    row: Row,
    tall: float,
    ink: np.ndarray,
    ground: np.ndarray,
) -> None:
    """Paint a plate of colour `ground` around the number, and its rim and screws, in place.

    Args:
        rng: decides.
        sheet: float32 (h, w, 4), RGB multiplied by opacity, and the opacity.
        row: the number.
        tall: height of its digits' boxes in pixels.
        ink: (3,) RGB of the digits.
        ground: (3,) RGB of the plate.
    """
    high, wide = row.size
    room = tall * rng.uniform(0.05, 0.5, 2)
    points = np.concatenate(row.hulls)
    x1, y1 = (int(v) for v in points.min(0) - room)
    x2, y2 = (int(v) for v in points.max(0) + room)
    mask = np.zeros((high, wide), np.uint8)
    shape = rng.choice(3, p=(0.62, 0.24, 0.14))
    _outline(mask, (x1, y1, x2, y2), shape, -1)
    solid = mask.astype(np.float32) / 255
    if rng.random() < 0.3:
        shadow = np.roll(solid, tuple(int(v) for v in rng.integers(-2, 4, 2)), (0, 1))
        paint(sheet, shadow * np.float32(rng.uniform(0.2, 0.7)), ground * np.float32(0.1))
    y = np.linspace(-1, 1, high, dtype=np.float32)[:, None, None]
    x = np.linspace(-1, 1, wide, dtype=np.float32)[None, :, None]
    shade = y * np.float32(rng.normal(0, 0.04)) + x * np.float32(rng.normal(0, 0.04))
    paint(sheet, solid, ground + shade)
    if rng.random() < 0.4:  # a rim in the ink's colour, or lighter or darker than the plate
        mask[:] = 0
        inset = int(tall * rng.uniform(0, 0.08))
        thick = max(1, round(tall * rng.uniform(0.02, 0.07)))
        _outline(mask, (x1 + inset, y1 + inset, x2 - inset, y2 - inset), shape, thick)
        rim = ink if rng.random() < 0.6 else np.clip(ground + rng.normal(0, 0.3), 0, 1)
        paint(sheet, mask.astype(np.float32) / 255, np.asarray(rim, np.float32))
    if rng.random() < 0.2 and min(room) > 0.2 * tall:  # screws, or the dots of enamel plates
        mask[:] = 0
        middle = rng.random() < 0.5
        radius = max(1, round(tall * rng.uniform(0.02, 0.05)))
        off = int(0.1 * tall) + radius
        for px in (x1 + off, x2 - off):
            for py in ((y1 + y2) // 2,) if middle else (y1 + off, y2 - off):
                cv2.circle(mask, (px, py), radius, (255,), -1, cv2.LINE_AA)
        paint(sheet, mask.astype(np.float32) / 255, ink)


def _outline(mask: np.ndarray, box: tuple[int, int, int, int], shape: int, thick: int) -> None:
    """Draw a rectangle (shape 0), one with cut corners (1), or an ellipse around it (2)."""
    x1, y1, x2, y2 = box
    if shape == 2:
        axes = (round((x2 - x1) * 0.6), round((y2 - y1) * 0.6))
        center = ((x1 + x2) // 2, (y1 + y2) // 2)
        cv2.ellipse(mask, center, axes, 0, 0, 360, (255,), thick, cv2.LINE_AA)
        return
    cut = min(x2 - x1, y2 - y1) // 6 if shape == 1 else 0
    corners = [
        (x1 + cut, y1),
        (x2 - cut, y1),
        (x2, y1 + cut),
        (x2, y2 - cut),
        (x2 - cut, y2),
        (x1 + cut, y2),
        (x1, y2 - cut),
        (x1, y1 + cut),
    ]
    polygon = np.array(corners, np.int32)
    if thick < 0:
        cv2.fillPoly(mask, [polygon], (255,), cv2.LINE_AA)
    else:
        cv2.polylines(mask, [polygon], True, (255,), thick, cv2.LINE_AA)


def paint(sheet: np.ndarray, mask: np.ndarray, colour: np.ndarray) -> None:
    """Paint `colour` (3,) or (h, w, 3) on a premultiplied RGBA sheet through `mask`."""
    sheet *= (1 - mask)[..., None]
    sheet[..., :3] += mask[..., None] * colour
    sheet[..., 3] += mask
