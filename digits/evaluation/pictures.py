"""Draw photos with the boxes, number and confidence that were read."""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from digits.console import printable
from digits.io import partial_path
from digits.types import CLASS_NAMES, NO_NUMBER, Detections, Reading, is_right, reading_labels

Colour = tuple[int, int, int]
RIGHT, WRONG, UNKNOWN, DOUBTFUL = (26, 127, 55), (207, 34, 46), (9, 90, 190), (188, 76, 0)
_GREY, _WHITE = (90, 90, 90), (255, 255, 255)
_MIN_SIDE, _MAX_SIDE = 640, 1000  # longer side of a picture in pixels
_TILE = (230, 150)  # of a sheet, without its two lines of text
_COLUMNS = 6


class Picture(NamedTuple):
    """A photo and the number read in it."""

    photo: Tensor
    """uint8 `(3, h, w)`, which may be reduced."""
    size: tuple[int, int]
    """The `(height, width)` that boxes refer to."""
    boxes: Tensor
    """Of the digits read, `(K, 4)` xyxy."""
    labels: np.ndarray
    """`(K,)`."""
    number: str
    truth: str | None = None
    """The true number; `None` where it is not known."""
    name: str = ""
    """Of the photo's file."""
    confidence: float | None = None
    doubtful: bool = False
    """Whether a person should check it."""

    @classmethod
    def of(
        cls,
        photo: Tensor,
        detections: Detections,
        reading: Reading,
        truth: str | None,
        doubtful: bool = False,
    ) -> "Picture":
        """The picture of a reading; boxes refer to the size of a record, else to the photo's."""
        height, width = photo.shape[1:]
        return cls(
            photo.cpu(),
            (int(detections.get("height", height)), int(detections.get("width", width))),  # type: ignore[call-overload]
            detections["boxes"][reading.indices],
            reading_labels(reading, detections["labels"]),
            reading.number,
            truth,
            str(detections.get("file_name", "")),
            reading.confidence,
            doubtful,
        )

    @property
    def colour(self) -> Colour:
        """Green is right, red wrong; where that is not known, orange is doubtful, blue is not."""
        if self.truth is not None:
            return RIGHT if is_right(self.number, self.truth) else WRONG
        return DOUBTFUL if self.doubtful else UNKNOWN

    @property
    def caption(self) -> str:
        """The number, the truth where that is another, and the confidence."""
        text = "none" if self.number == NO_NUMBER else self.number
        if self.truth is not None and self.colour == WRONG:
            text += f" (is {self.truth or 'no number'})"
        sure = "" if self.confidence is None else f"  {self.confidence:.2f}"
        return text + sure + ("  check" if self.doubtful and self.truth is None else "")


def draw_picture(picture: Picture) -> Image.Image:
    """A photo at a size that people can read, with what was read in it above and around."""
    longest = max(picture.photo.shape[1:])
    drawn = _with_boxes(picture, min(max(longest, _MIN_SIDE), _MAX_SIDE) / longest, line=3, text=22)
    head = 62
    sheet = Image.new("RGB", (max(drawn.width, 320), drawn.height + head), _WHITE)
    sheet.paste(drawn, (0, head))
    _write(sheet, (8, 4), picture.caption, 28, picture.colour)
    _write(sheet, (8, 39), picture.name, 16, _GREY)
    return sheet


def draw_sheet(pictures: Sequence[Picture]) -> Image.Image:
    """Photos side by side, each under its file's name, its number and its confidence."""
    wide, high = _TILE[0] + 10, _TILE[1] + 48
    rows = -(-len(pictures) // _COLUMNS)
    sheet = Image.new("RGB", (wide * min(_COLUMNS, max(len(pictures), 1)), high * rows), _WHITE)
    for index, picture in enumerate(pictures):
        left, top = index % _COLUMNS * wide + 5, index // _COLUMNS * high + 2
        height, width = picture.photo.shape[1:]
        drawn = _with_boxes(picture, min(_TILE[0] / width, _TILE[1] / height), line=2, text=13)
        tile = Image.new("RGB", (_TILE[0], 42), _WHITE)  # cuts off what is too long
        _write(tile, (0, 0), picture.name, 12, _GREY)
        _write(tile, (0, 17), picture.caption, 16, picture.colour)
        sheet.paste(tile, (left, top))
        sheet.paste(drawn, (left + (_TILE[0] - drawn.width) // 2, top + 42))
    return sheet


def save_image(path: Path, image: Image.Image) -> Path:
    """Save a picture in the format of its suffix; it is there only when it is whole."""
    with partial_path(path) as partial:
        image.save(partial, format="JPEG" if path.suffix == ".jpg" else "PNG")
    return path


def _with_boxes(picture: Picture, scale: float, line: int, text: int) -> Image.Image:
    """The photo times `scale`; boxes with lines of so many pixels, digits of so many above them."""
    pixels = Image.fromarray(picture.photo.permute(1, 2, 0).numpy())
    size = tuple(max(1, round(side * scale)) for side in pixels.size)
    drawn = pixels.resize((size[0], size[1]), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(drawn)
    height, width = picture.size
    across, down = drawn.width / width, drawn.height / height
    for box, label in zip(picture.boxes.tolist(), picture.labels.tolist(), strict=True):
        left, right = sorted((box[0] * across, box[2] * across))
        top, bottom = sorted((box[1] * down, box[3] * down))
        pen.rectangle((left, top, right, bottom), outline=picture.colour, width=line)
        digit = CLASS_NAMES[label - 1]
        tag = pen.textbbox((0, 0), digit, font=_font(text))
        shift = (left, max(0, top - tag[3] - line))
        pen.rectangle((*shift, shift[0] + tag[2] + 2 * line, shift[1] + tag[3] + line),
                      fill=picture.colour)  # fmt: skip
        pen.text((shift[0] + line, shift[1]), digit, font=_font(text), fill=_WHITE)
    return drawn


def _write(image: Image.Image, at: tuple[int, int], text: str, size: int, colour: Colour) -> None:
    """A line of text; of one too long the end stays, which tells files apart."""
    pen, font, room = ImageDraw.Draw(image), _font(size), image.width - at[0]
    shown = printable(text)
    while len(shown) > 1 and pen.textlength(shown, font=font) > room:
        shown = "…" + shown.removeprefix("…")[max(1, len(shown) // 20) :]
    pen.text(at, shown, font=font, fill=colour)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans, which is in matplotlib's wheel; importing that for a path takes a second."""
    spec = find_spec("matplotlib")
    fonts = Path(spec.origin).parent / "mpl-data/fonts/ttf" if spec and spec.origin else Path()
    try:
        return ImageFont.truetype(str(fonts / "DejaVuSans.ttf"), size)
    except OSError:
        return ImageFont.load_default(size)
