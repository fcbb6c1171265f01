"""Render a synthetic photo, with boxes as annotators draw them."""

import cv2
import numpy as np

from digits.data.synthetic import camera
from digits.data.synthetic.facade import furnish
from digits.data.synthetic.layouts import Layout, draw_layout
from digits.data.synthetic.scenery import clutter
from digits.data.synthetic.signs import draw_sign, sign_colours
from digits.data.synthetic.typesetting import Row, typeset
from digits.data.synthetic.walls import wall


def render(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw one photo.

    Returns:
        photo uint8 (H, W, 3) RGB, boxes float32 (N, 4) xyxy in pixels, labels int64 (N,) in 1..10.
    """
    photo, boxes, labels, _ = render_with_ink(rng)
    return photo, boxes, labels


def render_with_ink(
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """As `render`, and the digits' ink: float32 (H, W) in 0..1, before any blur."""
    layout = draw_layout(rng)  # first: `SyntheticDigits.size` repeats this draw alone
    # At about the resolution of SVHN's digits; finer detail would be blurred away.
    tall = float(np.clip(layout.box_height, 16, 32))
    scale = tall / layout.box_height
    scale = min(scale, (40_000 / (layout.width * layout.height)) ** 0.5)
    tall = scale * layout.box_height
    width, height = max(8, round(layout.width * scale)), max(8, round(layout.height * scale))

    share = float(rng.uniform(0.77, 0.96))
    row = typeset(rng, layout, tall, share)
    warp = _warp(rng, row, layout, scale, (width, height))
    hulls = [cv2.perspectiveTransform(hull[None], warp)[0] / scale for hull in row.hulls]
    boxes = _boxes(rng, hulls, row.side / scale, share, (layout.width, layout.height))

    ink_rgb, ground_rgb, wall_rgb = sign_colours(rng)
    picture = wall(rng, height, width, tall, wall_rgb)
    keep = np.array([*boxes[:, :2].min(0), *boxes[:, 2:].max(0)]) * scale
    room = tall * np.array([-0.2, -0.1, 0.2, 0.1])
    picture = clutter(rng, picture, keep + room, tall)
    furnish(rng, picture, keep + room, tall)
    sign = draw_sign(rng, row, tall, ink_rgb, ground_rgb, wall_rgb)
    ink = _mount(picture, sign, warp)

    size = (layout.width, layout.height)
    picture = camera.blur(rng, camera.light(rng, picture), tall)
    if scale > 1:
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    photo = camera.expose(rng, camera.sensor(rng, picture))
    if scale < 1:  # in bytes: large photos cost most
        photo = cv2.resize(photo, size, interpolation=cv2.INTER_CUBIC)
    labels = np.array(layout.digits, np.int64) + 1
    ink = cv2.resize(ink, size, interpolation=cv2.INTER_AREA)
    return camera.compress(rng, photo), boxes, labels, ink


def _mount(picture: np.ndarray, sign: np.ndarray, warp: np.ndarray) -> np.ndarray:
    """Put the sign on the picture, in place; returns the ink, float32 (H, W)."""
    height, width = picture.shape[:2]
    high, wide = sign.shape[:2]
    sheet = np.array([[[0, 0], [wide, 0], [wide, high], [0, high]]], np.float32)
    corners = cv2.perspectiveTransform(sheet, warp)[0]
    x1, y1 = (int(max(0, v)) for v in np.floor(corners.min(0)))
    x2, y2 = (int(v) for v in np.minimum(np.ceil(corners.max(0)), (width, height)))
    # Only the part that the sheet covers: warping the whole picture costs more.
    shift = np.array([[1, 0, -x1], [0, 1, -y1], [0, 0, 1.0]])
    layers = cv2.warpPerspective(sign, shift @ warp, (x2 - x1, y2 - y1))
    part = picture[y1:y2, x1:x2]
    part *= 1 - layers[..., 3:4]
    part += layers[..., :3]
    ink = np.zeros((height, width), np.float32)
    ink[y1:y2, x1:x2] = layers[..., 4]
    return ink


def _warp(
    rng: np.random.Generator, row: Row, layout: Layout, scale: float, size: tuple[int, int]
) -> np.ndarray:
    """From the sheet to the picture of `size` (width, height): tilt, slant, perspective, place."""
    angle = np.arctan(row.slope)
    # A sign seen from below or aside keeps its uprights; a crooked one turns as a whole.
    lean = angle * rng.uniform(0, 1) + rng.normal(0, 0.05)
    axes = np.array([[np.cos(angle), -np.sin(lean)], [np.sin(angle), np.cos(lean)]])
    high, wide = row.size
    corners = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    seen = corners @ axes.T + rng.normal(0, 0.02, (4, 2)) * min(row.size)
    warp = cv2.getPerspectiveTransform(corners, seen.astype(np.float32))
    points = cv2.perspectiveTransform(np.concatenate(row.hulls)[None], warp)[0]
    low, top = points.min(0), points.max(0)
    fit = min(1.0, *(0.96 * np.array(size) / (top - low)))
    center = np.array(layout.center) * scale
    half = (top - low) * fit / 2
    center = np.clip(center, half, np.maximum(size - half, half))
    move = center - fit * (low + top) / 2
    return np.array([[fit, 0, move[0]], [0, fit, move[1]], [0, 0, 1]]) @ warp


def _boxes(
    rng: np.random.Generator,
    hulls: list[np.ndarray],
    side: float,
    share: float,
    size: tuple[int, int],
) -> np.ndarray:
    """Boxes as SVHN's annotators drew them: loose, one height per number, integer edges."""
    width, height = size
    low = np.array([hull.min(0) for hull in hulls])
    high = np.array([hull.max(0) for hull in hulls])
    ink = (high - low)[:, 1].mean()
    tall = int(np.clip(round(ink / share + rng.normal(0, 0.3)), 3, height))
    middle = (low + high)[:, 1] / 2 + rng.normal(0, 0.015 * tall, len(hulls))
    top = np.clip(np.rint(middle - tall / 2), 0, height - tall)
    slack = rng.normal(side, 0.01 * tall + 0.2, (2, len(hulls)))
    left = np.clip(np.rint(low[:, 0] - slack[0]), 0, width - 3)
    right = np.clip(np.rint(high[:, 0] + slack[1]), left + 3, width)
    return np.stack([left, top, right, top + tall], axis=1).astype(np.float32)
