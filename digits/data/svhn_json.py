"""Convert digitStruct.mat, the annotations of SVHN, to COCO JSON."""

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from rich import progress

from digits.data.coco_json import CATEGORIES, annotation_entry, image_entry
from digits.data.digit_struct import read_digit_struct
from digits.errors import DigitsError
from digits.io import atomic_write


def convert(mat: Path, json_path: Path) -> None:
    """Write the annotations of `mat`, and the sizes of the photos beside it, as COCO JSON.

    Raises:
        DigitsError: a damaged `mat`, or a photo that is missing or no PNG.
    """
    photos = sorted(read_digit_struct(mat), key=lambda photo: int(photo[0][:-4]))
    tracked = progress.track(photos, description=f"Converting {mat.parent.name}")
    with atomic_write(json_path) as file:
        # Row by row: extra's 531,131 boxes as dictionaries would take half a gigabyte.
        file.write('{"images": [\n')
        file.writelines(_rows(_image(mat.parent, name) for name, _ in tracked))
        file.write('\n], "annotations": [\n')
        file.writelines(_rows(_annotations(photos)))
        file.write(f'\n], "categories": {json.dumps(CATEGORIES)}}}\n')


def _rows(items: Iterable[dict[str, object]]) -> Iterator[str]:
    for number, item in enumerate(items):
        yield (",\n" if number else "") + json.dumps(item)


def _image(folder: Path, name: str) -> dict[str, object]:
    width, height = _png_size(folder / name)
    return image_entry(int(name[:-4]), name, height, width)


def _annotations(photos: list[tuple[str, np.ndarray]]) -> Iterator[dict[str, object]]:
    numbers = itertools.count(1)
    for name, boxes in photos:
        for label, *bbox in boxes.tolist():
            yield annotation_entry(next(numbers), int(name[:-4]), int(label) % 10 + 1, bbox)


def _png_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the header alone."""
    try:
        with Image.open(path, formats=["PNG"]) as photo:
            return photo.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DigitsError(
            f"{path} is missing or no PNG, though digitStruct.mat lists it; take it from SVHN's "
            "archive again."
        ) from error
