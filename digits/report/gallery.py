"""Write and read gallery.json: the photos that a report shows, with their pictures."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from PIL import Image
from torch import Tensor

from digits.io import partial_path
from digits.report.tiles import Tile
from digits.shapes import Finite, decode_file

_MAX_SIDE = 320  # pixels of a picture's longer side


class Gallery(msgspec.Struct, forbid_unknown_fields=True):
    """What gallery.json holds.

    Attributes:
        tiles: the photos shown, those first that a person should look at.
        confidence: of each photo's number, of all photos.
        right: whether it is right, likewise; empty without labels.
    """

    tiles: list[Tile]
    confidence: list[Finite]
    right: list[bool] = []


def write_gallery(
    path: Path,
    tiles: Sequence[Tile],
    confidence: Sequence[float],
    right: Sequence[bool],
    photo: Callable[[int], Tensor | None] | None,
) -> None:
    """Write gallery.json.

    Args:
        path: of the file.
        tiles: of the photos shown.
        confidence, right: as in `Gallery`.
        photo: the pixels of a photo by its image_id, uint8 `(3, h, w)`, which may be reduced; None
            where its file is gone, or where no photo is at hand.
    """
    for one in tiles:
        pixels = photo(one.image_id) if photo else None
        one.picture = b"" if pixels is None else _jpeg(pixels, one)
    gallery = Gallery(list(tiles), [float(c) for c in confidence], [bool(r) for r in right])
    with partial_path(path) as partial:
        partial.write_bytes(msgspec.json.encode(gallery))


def read_gallery(path: Path) -> Gallery | None:
    """The content of a gallery.json; None where there is none.

    Raises:
        DigitsError: it has another shape.
    """
    return decode_file(path, Gallery) if path.is_file() else None


def _jpeg(pixels: Tensor, one: Tile) -> bytes:
    across, down = pixels.shape[2] / one.width, pixels.shape[1] / one.height
    left, top, right, bottom = one.view
    box = (left * across, top * down, right * across, bottom * down)
    longest = max(box[2] - box[0], box[3] - box[1])
    share = min(1.0, _MAX_SIDE / longest)
    size = (max(round((box[2] - box[0]) * share), 1), max(round((box[3] - box[1]) * share), 1))
    photo = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    kept = io.BytesIO()
    photo.resize(size, Image.Resampling.BICUBIC, box, reducing_gap=2).save(kept, "JPEG", quality=85)
    return kept.getvalue()
