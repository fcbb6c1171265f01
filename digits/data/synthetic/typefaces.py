"""The typefaces of the synthetic house numbers: freely licensed, from PyPI packages."""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digits.data.synthetic.layouts import Layout
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


@dataclass(frozen=True)
class Row:
    """A number set flat on a sheet, with `PAD` digit heights of room around; all in pixels."""

    masks: list[np.ndarray]  # float32 (h, w) in 0..1, one per digit
    places: list[tuple[int, int]]  # x, y of the masks' top left corners
    hulls: list[np.ndarray]  # float32 (K, 2): x, y of the ink's convex hulls
    size: tuple[int, int]  # height, width of the sheet
    side: float  # between the ink and its box's left and right edges
    slope: float  # that the sheet is still to be tilted by, dy / dx


PAD = 0.75


def typeset(rng: np.random.Generator, layout: Layout, tall: float, share: float) -> Row:
    """Set the layout's number in a random face, in boxes `tall` pixels high.

    Args:
        share: of the boxes' height that is ink.
    """
    face = int(rng.integers(len(FACES)))
    size = max(6, round(tall * share))
    usual = float(np.mean([glyph(face, c).mask.shape[1] for c in "023456789"])) / GLYPH
    side = tall * rng.uniform(0.01, 0.05)
    stretch = (0.475 * layout.stretch * tall - 2 * side) / (usual * size)
    stretch = float(np.clip(stretch, 0.6, 1.5))  # further would not look like a typeface
    # Digits screwed on one by one climb in steps; those on one plate tilt as a whole.
    steps = abs(layout.slope) > 0.1 and rng.random() < 0.4
    masks, hulls, corners = [], [], []
    x = y = 0.0
    for digit in layout.digits:
        shape = glyph(face, str(digit))
        wide = max(2, round(shape.mask.shape[1] / GLYPH * size * stretch))
        mask = cv2.resize(shape.mask, (wide, size), interpolation=cv2.INTER_AREA)
        masks.append(mask.astype(np.float32) / 255)
        hulls.append(shape.hull * np.array([wide * GLYPH / shape.mask.shape[1], size], np.float32))
        corners.append((x, y))
        advance = wide + 2 * side + layout.gap * tall
        if layout.stacked:
            y += tall * (1.05 + abs(layout.gap))
        else:
            x += max(advance, 0.8 * wide)
            y += layout.slope * advance if steps else rng.normal(0, 0.01) * tall
    pad = int(PAD * tall)
    shift = pad - np.min(corners, axis=0)
    places = [(round(cx + shift[0]), round(cy + shift[1])) for cx, cy in corners]
    hulls = [hull + np.array(place, np.float32) for hull, place in zip(hulls, places, strict=True)]
    right, bottom = np.max([hull.max(0) for hull in hulls], axis=0)
    sheet = (int(np.ceil(bottom)) + pad, int(np.ceil(right)) + pad)
    return Row(masks, places, hulls, sheet, side, 0.0 if steps else layout.slope)
