"""Number signs: colours, plates and the digits on them, as a sheet to be mounted on a wall."""

import cv2
import numpy as np

from digits.data.synthetic import scenery
from digits.data.synthetic.layouts import draw_colours
from digits.data.synthetic.typefaces import PAD, Row


def sign_colours(rng: np.random.Generator) -> np.ndarray:
    """Ink, ground and wall: float32 (3, 3), RGB in 0..1."""
    if rng.random() < 0.75:
        colours = draw_colours(rng)
        ink, ground, _ = colours
        # The table was read off blurred photos, which had lost contrast.
        colours[0] = ground + (ink - ground) * rng.uniform(0.9, 1.7)
        if rng.random() < 0.1:
            colours[:2] = colours[1::-1]
    elif rng.random() < 0.5:  # enamel: navy, black, green or red, and white
        deep = np.array(
            [(0.1, 0.15, 0.45), (0.05, 0.05, 0.07), (0.02, 0.25, 0.15), (0.5, 0.08, 0.1)]
        )
        pair = np.stack([deep[rng.choice(4, p=(0.5, 0.35, 0.08, 0.07))], rng.uniform(0.75, 1, 3)])
        colours = np.stack([*rng.permutation(pair), draw_colours(rng)[2]])
    else:
        colours = rng.uniform(0.05, 0.95, (3, 1)) + rng.normal(0, 0.035, (3, 3))
        if rng.random() < 0.4:
            colours[1] = colours[2]  # no plate
    gap = colours[0].mean() - colours[1].mean()
    if abs(gap) < 0.12:  # low contrast is common, but no contrast teaches nothing
        colours[0] += rng.uniform(0.1, 0.4) * (1 if colours[1].mean() < 0.5 else -1)
    colours = colours * np.exp(rng.normal(0, 0.1)) + rng.normal(0, 0.015, (3, 3))
    return np.clip(colours, 0.01, 1).astype(np.float32)


def draw_sign(
    rng: np.random.Generator,
    row: Row,
    tall: float,
    ink: np.ndarray,
    ground: np.ndarray,
    wall: np.ndarray,
) -> np.ndarray:
    """The number, and its plate if the ground is not the wall.

    Returns:
        float32 (h, w, 5): RGB multiplied by its opacity, the opacity, and the digits' ink alone.
    """
    high, wide = row.size
    sheet = np.zeros((high, wide, 4), np.float32)
    if abs(ground - wall).max() > 0.1 or rng.random() < 0.15:
        _plate(rng, sheet, row, tall, ink, ground)
    # From here on only the digits' own part of the sheet, with room for their shadows.
    room = int((PAD - 0.2) * tall)
    area = np.s_[room : high - room, room : wide - room]
    face = sheet[area]
    high, wide = face.shape[:2]
    digits = np.zeros((high, wide), np.float32)
    for mask, (x, y) in zip(row.masks, row.places, strict=True):
        part = digits[y - room :, x - room :][: mask.shape[0], : mask.shape[1]]
        np.maximum(part, mask, out=part)
    if rng.random() < 0.6:  # mostly bolder: hairlines hardly occur
        soft = cv2.GaussianBlur(digits, (0, 0), tall * 0.025)
        digits = np.clip((soft - np.float32(rng.uniform(0.2, 0.5))) * 4 + 0.5, 0, 1)
    if rng.random() < 0.07:  # worn paint
        holes = scenery.noise(rng, high, wide, max(1.0, tall / 8))
        digits *= np.clip(1.6 - holes * np.float32(rng.uniform(0.3, 0.9)), 0.1, 1)

    style = rng.choice(4, p=(0.55, 0.2, 0.08, 0.17))
    step = max(1, round(tall * rng.uniform(0.02, 0.07)))
    if style == 1:  # a drop shadow
        dx, dy = (int(v) for v in rng.integers(-step, step + 1, 2))
        shadow: np.ndarray = np.roll(digits, (dy + step, dx), (0, 1))
        shadow = cv2.GaussianBlur(shadow, (0, 0), 0.4 + tall * rng.uniform(0, 0.04))
        _over(face, shadow * np.float32(rng.uniform(0.2, 0.7)), ground * np.float32(0.2))
    elif style == 2:  # an outline
        kernel = np.ones((2 * step + 1, 2 * step + 1), np.uint8)
        edge = np.asarray(cv2.dilate(digits, kernel))
        tone = np.clip(ink + rng.choice([-0.5, 0.5]), 0, 1).astype(np.float32)
        _over(face, edge, tone)
    fall = np.linspace(-1, 1, high, dtype=np.float32)[:, None, None]
    paint = ink + fall * np.float32(rng.normal(0, 0.06))
    if style == 3:  # cast or bevelled: lit on one side, dark on the other
        soft = cv2.GaussianBlur(digits, (0, 0), 0.5 + tall * 0.02)
        slant = np.roll(soft, (step, step), (0, 1)) - np.roll(soft, (-step, -step), (0, 1))
        paint = paint - slant[..., None] * np.float32(rng.normal(0, 0.35))
    _over(face, digits, paint)
    alone = np.zeros((*row.size, 1), np.float32)
    alone[area][..., 0] = digits
    return np.concatenate([sheet, alone], axis=2)


def _plate(
    rng: np.random.Generator,
    sheet: np.ndarray,
    row: Row,
    tall: float,
    ink: np.ndarray,
    ground: np.ndarray,
) -> None:
    high, wide = row.size
    room = tall * rng.uniform(0.05, 0.5, 2)
    points = np.concatenate(row.hulls)
    x1, y1 = (int(v) for v in points.min(0) - room)
    x2, y2 = (int(v) for v in points.max(0) + room)
    mask = np.zeros((high, wide), np.uint8)
    shape = rng.choice(3, p=(0.62, 0.24, 0.14))
    _outline(mask, (x1, y1, x2, y2), shape, 255, -1)
    solid = mask.astype(np.float32) / 255
    if rng.random() < 0.3:
        shadow = np.roll(solid, tuple(int(v) for v in rng.integers(-2, 4, 2)), (0, 1))
        _over(sheet, shadow * np.float32(rng.uniform(0.2, 0.7)), ground * np.float32(0.1))
    y = np.linspace(-1, 1, high, dtype=np.float32)[:, None, None]
    x = np.linspace(-1, 1, wide, dtype=np.float32)[None, :, None]
    shade = y * np.float32(rng.normal(0, 0.04)) + x * np.float32(rng.normal(0, 0.04))
    _over(sheet, solid, ground + shade)
    if rng.random() < 0.4:  # a rim in the ink's colour, or lighter or darker than the plate
        mask[:] = 0
        inset = int(tall * rng.uniform(0, 0.08))
        thick = max(1, round(tall * rng.uniform(0.02, 0.07)))
        _outline(mask, (x1 + inset, y1 + inset, x2 - inset, y2 - inset), shape, 255, thick)
        rim = ink if rng.random() < 0.6 else np.clip(ground + rng.normal(0, 0.3), 0, 1)
        _over(sheet, mask.astype(np.float32) / 255, np.asarray(rim, np.float32))
    if rng.random() < 0.2 and min(room) > 0.2 * tall:  # screws, or the dots of enamel plates
        mask[:] = 0
        middle = rng.random() < 0.5
        radius = max(1, round(tall * rng.uniform(0.02, 0.05)))
        off = int(0.1 * tall) + radius
        for px in (x1 + off, x2 - off):
            for py in ((y1 + y2) // 2,) if middle else (y1 + off, y2 - off):
                cv2.circle(mask, (px, py), radius, (255,), -1, cv2.LINE_AA)
        _over(sheet, mask.astype(np.float32) / 255, ink)


def _outline(
    mask: np.ndarray, box: tuple[int, int, int, int], shape: int, value: int, thick: int
) -> None:
    """Draw a rectangle, one with cut corners, or an ellipse around it."""
    x1, y1, x2, y2 = box
    if shape == 2:
        axes = (round((x2 - x1) * 0.6), round((y2 - y1) * 0.6))
        center = ((x1 + x2) // 2, (y1 + y2) // 2)
        cv2.ellipse(mask, center, axes, 0, 0, 360, (value,), thick, cv2.LINE_AA)
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
        cv2.fillPoly(mask, [polygon], (value,), cv2.LINE_AA)
    else:
        cv2.polylines(mask, [polygon], True, (value,), thick, cv2.LINE_AA)


def _over(sheet: np.ndarray, mask: np.ndarray, colour: np.ndarray) -> None:
    """Paint `colour` (3,) or (h, w, 3) on a premultiplied RGBA sheet through `mask`."""
    sheet *= (1 - mask)[..., None]
    sheet[..., :3] += mask[..., None] * colour
    sheet[..., 3] += mask
