"""Typefaces and their glyphs: freely licensed, from PyPI packages."""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digits.errors import DigitsError

GLYPH = 64  # pixels: height of every cached glyph

# (family, weights, styles). Families with lining figures only: old-style figures differ in height.
# Repeated families are the commoner ones: grotesques, and the didones of enamel plates.
_FAMILIES = (
    ("Arimo", (400, 550, 700), ("normal",)),
    ("Roboto", (400, 600, 900), ("normal", "italic")),
    ("Inter", (300, 600, 800), ("normal",)),
    ("Hanken Grotesk", (400, 700), ("normal", "italic")),
    ("Barlow", (400, 600, 800), ("normal",)),
    ("Oswald", (300, 500, 700), ("normal",)),
    ("PT Serif", (400, 700), ("normal", "italic")),
    ("Instrument Serif", (400,), ("normal", "italic")),
    ("DM Serif Display", (400,), ("normal", "italic")),
    ("Bodoni Moda", (500, 700, 900), ("normal", "italic")),
    ("Abril Fatface", (400,), ("normal",)),
    ("Fraunces", (400, 700), ("normal", "italic")),
    ("Dancing Script", (600,), ("normal",)),
)
# Shipped by matplotlib.
_MATPLOTLIB = ("DejaVuSans-Bold", "DejaVuSerif-Bold", "STIXGeneral", "STIXGeneralBol", "cmb10")

FACES: tuple[tuple[str, int, str], ...] = tuple(
    (family, weight, style)
    for family, weights, styles in _FAMILIES
    for weight in weights
    for style in styles
) + tuple((name, 0, "normal") for name in _MATPLOTLIB)


@dataclass(frozen=True)
class Glyph:
    """A character's ink."""

    mask: np.ndarray  # uint8 (GLYPH, W): the ink, cropped tight
    hull: np.ndarray  # float32 (K, 2): x, y of the ink's convex hull, in units of GLYPH


def _path(family: str, weight: int, style: str) -> Path:
    if weight == 0:
        import matplotlib  # late: only its folder of fonts is needed

        return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{family}.ttf"
    package = f"fontpkg-{family.lower().replace(' ', '-')}"
    if find_spec("fontpkg") is None or find_spec(package.replace("-", "_")) is None:
        raise DigitsError(
            f"typeface {family}: package {package} is missing; run: pip install fontpkg {package}"
        )
    import fontpkg

    return Path(fontpkg.path(family, weight=weight, style=style, nearest=True))


@cache
def _font(face: int) -> ImageFont.FreeTypeFont:
    family, weight, style = FACES[face]
    path = _path(family, weight, style)
    # Basic layout: the same glyphs whether or not this Pillow has Raqm.
    font = ImageFont.truetype(str(path), 96, layout_engine=ImageFont.Layout.BASIC)
    if "wght" in path.name:
        wanted = {b"Weight": weight, b"Optical Size": 18}  # hairlines of display sizes vanish
        values: list[float] = []
        for axis in font.get_variation_axes():
            low, high = axis["minimum"] or 0, axis["maximum"] or 0
            values.append(min(max(wanted.get(axis["name"], axis["default"] or 0), low), high))
        font.set_variation_by_axes(values)
    return font


@cache
def glyph(face: int, character: str) -> Glyph:
    """One character of `FACES[face]`, cached per process.

    Raises:
        DigitsError: the typeface's package is not installed, or draws nothing.
    """
    font = _font(face)
    left, top, right, bottom = (int(v) for v in font.getbbox(character))
    image = Image.new("L", (right - left + 4, bottom - top + 4))
    ImageDraw.Draw(image).text((2 - left, 2 - top), character, font=font, fill=255)
    ink = np.asarray(image)
    rows, columns = np.flatnonzero(ink.max(1) > 100), np.flatnonzero(ink.max(0) > 100)
    if not len(rows):
        raise DigitsError(f"typeface {FACES[face]}: draws nothing for {character!r}.")
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    width = max(2, round(ink.shape[1] * GLYPH / ink.shape[0]))
    mask = cv2.resize(ink, (width, GLYPH), interpolation=cv2.INTER_AREA)
    points = np.argwhere(mask > 100)[:, ::-1]
    corners = np.concatenate([points, points + 1]).astype(np.int32)  # pixels have extent
    hull = cv2.convexHull(corners).reshape(-1, 2).astype(np.float32) / GLYPH
    return Glyph(mask, hull)
