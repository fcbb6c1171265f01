"""Draw a number sign, plate and digits, on a flat sheet that is then warped onto a wall."""

import cv2
import numpy as np

from digits.data.synthetic.layouts import draw_colours
from digits.data.synthetic.plates import draw_plate, paint
from digits.data.synthetic.typesetting import PAD, Row
from digits.data.synthetic.walls import noise


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
    return np.asarray(np.clip(colours, 0.01, 1), np.float32)


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
        draw_plate(rng, sheet, row, tall, ink, ground)
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
        holes = noise(rng, high, wide, max(1.0, tall / 8))
        digits *= np.clip(1.6 - holes * np.float32(rng.uniform(0.3, 0.9)), 0.1, 1)

    style = rng.choice(4, p=(0.55, 0.2, 0.08, 0.17))
    step = max(1, round(tall * rng.uniform(0.02, 0.07)))
    if style == 1:  # a drop shadow
        dx, dy = (int(v) for v in rng.integers(-step, step + 1, 2))
        shadow: np.ndarray = np.roll(digits, (dy + step, dx), (0, 1))
        shadow = cv2.GaussianBlur(shadow, (0, 0), 0.4 + tall * rng.uniform(0, 0.04))
        paint(face, shadow * np.float32(rng.uniform(0.2, 0.7)), ground * np.float32(0.2))
    elif style == 2:  # an outline
        kernel = np.ones((2 * step + 1, 2 * step + 1), np.uint8)
        edge = np.asarray(cv2.dilate(digits, kernel))
        tone = np.clip(ink + rng.choice([-0.5, 0.5]), 0, 1).astype(np.float32)
        paint(face, edge, tone)
    fall = np.linspace(-1, 1, high, dtype=np.float32)[:, None, None]
    fill = ink + fall * np.float32(rng.normal(0, 0.06))
    if style == 3:  # cast or bevelled: lit on one side, dark on the other
        soft = cv2.GaussianBlur(digits, (0, 0), 0.5 + tall * 0.02)
        slant = np.roll(soft, (step, step), (0, 1)) - np.roll(soft, (-step, -step), (0, 1))
        fill = fill - slant[..., None] * np.float32(rng.normal(0, 0.35))
    paint(face, digits, fill)
    alone = np.zeros((*row.size, 1), np.float32)
    alone[area][..., 0] = digits
    return np.concatenate([sheet, alone], axis=2)
