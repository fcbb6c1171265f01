"""Convert pixels of any common format to 8-bit RGB."""

from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

# Cameras write 10, 12 or 14 bits into 16, and 8 bits into 32, without saying so.
_WHITES = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
_WILD = 1e-3  # the share of pixels that a broken sensor or a division by zero may spoil
_PALE = 192.0  # (0..255) mean brightness from which what is seen would drown on white


def to_rgb(image: Image.Image) -> Image.Image:
    """A Pillow picture as 8-bit RGB.

    More than 8 bits are scaled by the bits that are in use; a few pixels beyond them, or that are
    no numbers, are clipped. Transparent pixels lie on white, under pale pixels on black.
    """
    wide = image.mode in {"I", "F"}  # 32 bits, of which white may be 1
    if wide or image.mode.startswith("I;16"):
        image = Image.fromarray(_scaled(np.asarray(image, dtype=np.float32), wide))
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        image = _on_ground(image.convert("RGBA"))
    return image.convert("RGB")


def to_8_bits(image: Image.Image, path: Path) -> Image.Image:
    """An opened file of 16 bits per colour with 8, scaled as in `to_rgb`; any other as it is.

    Pillow has no such pictures and keeps the upper 8 bits, of which 10 and 12 bits use few.
    """
    tiles = getattr(image, "tile", ())
    layouts = [tile.args[:1] if isinstance(tile.args, tuple) else tile.args for tile in tiles]
    turned = getattr(image, "tag_v2", {}).get(ExifTags.Base.Orientation, 1) != 1
    if image.mode.startswith("I") or turned or not any(";16" in str(name) for name in layouts):
        return image
    import cv2  # here, since few photos need it and every start of predict.py would wait for it

    values = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.shape[:2] != image.size[::-1]:
        return image
    if values.ndim == 3:
        code = cv2.COLOR_BGRA2RGBA if values.shape[2] == 4 else cv2.COLOR_BGR2RGB
        values = cv2.cvtColor(values, code)
    shallow = Image.fromarray(_scaled(values.astype(np.float32), shares=False))
    shallow.info, shallow.format = dict(image.info), image.format
    return shallow


def _scaled(values: np.ndarray, shares: bool) -> np.ndarray:
    """uint8 of the shape of the float32 values; `shares`: whether white may be 1."""
    values = np.nan_to_num(values, nan=0.0).clip(-1e9, 1e9)
    allowed = max(values.size >= 100, int(_WILD * values.size))
    whites = (1.0, *_WHITES) if shares else _WHITES
    white = next((w for w in whites if np.count_nonzero(values > w) <= allowed), _WHITES[-1])
    return (values * (255 / white)).clip(0, 255).round().astype(np.uint8)


def _on_ground(image: Image.Image) -> Image.Image:
    rgba = np.asarray(image, dtype=np.float32)
    alpha = rgba[..., 3]
    seen = (rgba[..., :3].mean(axis=2) * alpha).sum() / max(alpha.sum(), 1)
    ground = Image.new("RGBA", image.size, "black" if seen > _PALE else "white")
    return Image.alpha_composite(ground, image)
