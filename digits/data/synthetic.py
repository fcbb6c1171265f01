"""Synthetic photos of house numbers that look like SVHN's: free, endless, exactly labelled.

`python -m digits.data.synthetic OUT --count 10000` writes a data set in the course's layout.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.progress import track
from torch import Tensor
from torch.utils.data import Dataset

from digits.data import scenery
from digits.data.layouts import Layout, draw_colours, draw_layout
from digits.data.typefaces import PAD, Row, typeset
from digits.errors import DigitsError


class SyntheticDigits(Dataset):
    """Photos drawn on demand; photo i depends on `(seed, i)` alone, in any process and order.

    Args:
        count: number of photos.
        seed: another seed is another data set; it must not be negative.
    """

    labelled = True

    def __init__(self, count: int, seed: int = 0) -> None:
        if count < 1 or seed < 0:
            raise DigitsError(f"expected count >= 1 and seed >= 0, got {count} and {seed}.")
        self.seed = seed
        self.image_ids = np.arange(1, count + 1, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """The photo, uint8 `(3, H, W)` RGB, and its target, in reading order."""
        photo, boxes, labels = render(self._rng(index))
        target = {
            "boxes": torch.from_numpy(boxes),
            "labels": torch.from_numpy(labels),
            "image_id": int(self.image_ids[index]),
        }
        return torch.from_numpy(photo).permute(2, 0, 1).contiguous(), target

    def size(self, index: int) -> tuple[int, int]:
        """`(height, width)`, without drawing the photo."""
        layout = draw_layout(self._rng(index))
        return layout.height, layout.width

    def file_name(self, index: int) -> str:
        return f"{self.image_ids[index]}.png"

    def _rng(self, index: int) -> np.random.Generator:
        # Counted from the end where negative, and IndexError past it, as in a list.
        return np.random.default_rng((self.seed, range(len(self))[index]))


def open_split(
    split: str, train_count: int, valid_count: int, test_count: int, seed: int = 0
) -> SyntheticDigits:
    """Open train, valid or test, each drawn from a seed of its own."""
    counts = {"train": train_count, "valid": valid_count, "test": test_count}
    if split not in counts:
        raise DigitsError(f"split={split}: expected one of {', '.join(counts)}.")
    return SyntheticDigits(counts[split], len(counts) * seed + list(counts).index(split))


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
    """`render`, and where the ink is: float32 (H, W) in 0..1, before any blur."""
    layout = draw_layout(rng)  # first, since `SyntheticDigits.size` draws nothing else
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

    ink_rgb, ground_rgb, wall_rgb = _colours(rng)
    picture = scenery.wall(rng, height, width, tall, wall_rgb)
    keep = np.array([*boxes[:, :2].min(0), *boxes[:, 2:].max(0)]) * scale
    room = tall * np.array([-0.2, -0.1, 0.2, 0.1])
    picture = scenery.clutter(rng, picture, keep + room, tall)
    sign = _sign(rng, row, tall, ink_rgb, ground_rgb, wall_rgb)
    ink = _mount(picture, sign, warp)

    size = (layout.width, layout.height)
    picture = scenery.blur(rng, scenery.light(rng, picture), tall)
    if scale > 1:
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    photo = scenery.expose(rng, scenery.sensor(rng, picture))
    if scale < 1:  # in bytes: large photos cost most
        photo = cv2.resize(photo, size, interpolation=cv2.INTER_CUBIC)
    labels = np.array(layout.digits, np.int64) + 1
    ink = cv2.resize(ink, size, interpolation=cv2.INTER_AREA)
    return scenery.compress(rng, photo), boxes, labels, ink


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


def _colours(rng: np.random.Generator) -> np.ndarray:
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


def _sign(
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
        shadow = np.roll(digits, (dy + step, dx), (0, 1))
        shadow = cv2.GaussianBlur(shadow, (0, 0), 0.4 + tall * rng.uniform(0, 0.04))
        _over(face, shadow * np.float32(rng.uniform(0.2, 0.7)), ground * np.float32(0.2))
    elif style == 2:  # an outline
        edge = np.asarray(cv2.dilate(digits, np.ones((2 * step + 1, 2 * step + 1), np.uint8)))
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
    shape = rng.choice(3, p=(0.55, 0.25, 0.2))
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


def write(out: Path, count: int, seed: int = 0) -> None:
    """Write a data set in the course's layout: `count` photos in train, a tenth in valid and test.

    Raises:
        DigitsError: `out` exists and is not an empty folder.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DigitsError(f"{out}: exists already; choose another folder or empty it.")
    few = max(1, count // 10)
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    # Under another name until it is complete: half a data set must not look like a whole one.
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for number, (split, photos) in enumerate(
            {"train": count, "valid": few, "test": few}.items()
        ):
            data = SyntheticDigits(photos, seed=3 * seed + number)
            _write_split(data, unfinished, split, labelled=split != "test")
        unfinished.chmod(0o755)
        os.replace(unfinished, out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _write_split(data: SyntheticDigits, root: Path, split: str, labelled: bool) -> None:
    (root / split).mkdir()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in track(range(len(data)), description=f"{split:5}"):
        photo, target = data[index]
        name, image_id = data.file_name(index), target["image_id"]
        bgr = np.ascontiguousarray(photo.permute(1, 2, 0).numpy()[..., ::-1])
        if not cv2.imwrite(str(root / split / name), bgr):
            raise DigitsError(f"{root / split / name}: could not be written; is the disk full?")
        height, width = photo.shape[1:]
        images.append({"id": image_id, "file_name": name, "height": height, "width": width})
        for box, label in zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True):
            x, y, w, h = box[0], box[1], box[2] - box[0], box[3] - box[1]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "bbox": [x, y, w, h],
                    "category_id": label,
                    "area": w * h,
                    "iscrowd": 0,
                }
            )
    if labelled:
        categories = [{"id": digit + 1, "name": str(digit)} for digit in range(10)]
        coco = {"images": images, "annotations": annotations, "categories": categories}
        (root / f"{split}.json").write_text(json.dumps(coco), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m digits.data.synthetic", description=__doc__)
    parser.add_argument("out", type=Path, help="folder to make; it must not exist, or be empty")
    parser.add_argument("--count", type=int, required=True, help="photos in train")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another data set")
    options = parser.parse_args(arguments)
    try:
        write(options.out, options.count, options.seed)
    except DigitsError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.out}: written. Train on it: python train.py data=coco data.root={options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
