"""Open photos given from Python: files, pictures, arrays, tensors; loads no torch itself."""

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from io import IOBase
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard, Union, cast

import numpy as np
from PIL import Image

from digits.data.address import is_address
from digits.data.photos import LONGEST, UNREADABLE, open_reduced, reduced
from digits.errors import DigitsError, one_line, told_of

if TYPE_CHECKING:
    from torch import Tensor

_HINTS = {
    "NoneType": " (cv2.imread returns None where it cannot read a file)",
    "bytes": " (say PIL.Image.open(io.BytesIO(content)))",
    "bytearray": " (say PIL.Image.open(io.BytesIO(content)))",
    "memoryview": " (say PIL.Image.open(io.BytesIO(content)))",
    "DirEntry": " (say entry.path)",
    "BytesIO": " (say PIL.Image.open(file))",
    "BufferedReader": " (say PIL.Image.open(file))",
}

Photo = Union[str, Path, Image.Image, np.ndarray, "Tensor"]
"""A file, a Pillow picture, an array uint8 `(H, W, 3)` or `(H, W)`, a tensor uint8 `(3, H, W)`."""


def listed(photos: Photo | Iterable[Photo]) -> tuple[list[Photo], bool]:
    """The photos as a list, and whether a single one was given."""
    whole = str | bytes | bytearray | memoryview | Path | Image.Image | np.ndarray | IOBase
    one = isinstance(photos, whole) or _is_tensor(photos)
    if one or not isinstance(photos, Iterable):
        return [cast(Photo, photos)], True
    return list(photos), False


def open_all(photos: Sequence[Photo]) -> list[tuple[Image.Image, tuple[int, int]]]:
    """`open_given` of each; of several photos an error says which it is."""
    opened = []
    for index, photo in enumerate(photos):
        with told_of(f"photos[{index}]") if len(photos) > 1 else nullcontext():
            opened.append(open_given(photo))
    return opened


def open_given(photo: Photo) -> tuple[Image.Image, tuple[int, int]]:
    """A photo as a picture, RGB, of at most 1,000 pixels, and its own `(height, width)`.

    Raises:
        DigitsError: what cannot be read as a photo.
    """
    if isinstance(photo, str) and not photo.strip():
        raise DigitsError(f"{photo!r}: no path (a variable that is not set?); expected a photo's.")
    if isinstance(photo, str) and is_address(photo):
        raise DigitsError(f"{photo}: an address; save the photo (predict.py photos= fetches it).")
    if isinstance(photo, str | Path):
        if os.path.isdir(photo):  # Path.is_dir raises of names that are too long
            raise DigitsError(
                f"{photo}: a folder; say reader.read(sorted(Path({str(photo)!r}).glob('*.jpg'))), "
                "or predict.py photos=."
            )
        return open_reduced(Path(photo), LONGEST)
    if _is_tensor(photo):
        if (
            photo.ndim != 3
            or len(photo) != 3
            or str(photo.dtype) != "torch.uint8"
            or 0 in photo.shape
        ):
            raise DigitsError(
                "Expected a tensor uint8 of shape (3, H, W), RGB, got "
                f"{str(photo.dtype).removeprefix('torch.')} of shape {tuple(photo.shape)}"
                f"{_instead(tuple(photo.shape), photo.is_floating_point(), is_tensor=True)}."
            )
        try:
            photo = photo.permute(1, 2, 0).cpu().numpy()
        except (RuntimeError, TypeError) as error:  # sparse, or without pixels
            raise DigitsError(
                f"Expected a dense tensor with pixels ({one_line(error)})."
            ) from error
    if isinstance(photo, np.ndarray):
        colour = photo.ndim == 3 and photo.shape[2] == 3
        if photo.dtype != np.uint8 or not (colour or photo.ndim == 2) or not photo.size:
            raise DigitsError(
                "Expected an array uint8 of shape (H, W, 3), RGB, or (H, W), got "
                f"{photo.dtype} of shape {photo.shape}"
                f"{_instead(photo.shape, photo.dtype.kind == 'f', is_tensor=False)}."
            )
        photo = Image.fromarray(photo)
    if not isinstance(photo, Image.Image) or not all(photo.size):
        got = f"one of {photo.size}" if isinstance(photo, Image.Image) else type(photo).__name__
        raise DigitsError(
            "Expected a file's path, a Pillow picture with pixels, an array or a tensor, got "
            f"{got}{_HINTS.get(got, '')}."
        )
    try:
        return reduced(photo, LONGEST)
    except UNREADABLE as error:
        raise DigitsError(f"A Pillow picture cannot be read as a photo ({error}).") from error


def _instead(shape: tuple[int, ...], is_float: bool, is_tensor: bool) -> str:
    """A hint how to convert an array or tensor of another type or shape, if there is one."""
    if len(shape) == 4:
        return " (several photos: say reader.read(list(photos)))"
    if is_float:
        return " (of values from 0 to 1: say 255 * photo, as uint8)"
    if is_tensor:
        return " (say photo.permute(2, 0, 1))" if shape[2:] == (3,) else ""
    if shape[2:] == (1,):
        return " (say photo[..., 0])"
    if shape[2:] == (4,):
        return " (say PIL.Image.fromarray(photo))"
    return " (say photo.transpose(1, 2, 0))" if len(shape) == 3 and shape[0] == 3 else ""


def _is_tensor(photo: object) -> "TypeGuard[Tensor]":
    torch = sys.modules.get("torch")  # without which there are no tensors
    return torch is not None and isinstance(photo, torch.Tensor)
