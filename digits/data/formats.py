"""File formats of photos that can be read."""

import os
from functools import cache
from importlib.util import find_spec

from PIL import features

_SUFFIXES = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".webp", ".tif", ".tiff"}
_HEIF = {".heic", ".heif"}  # read where pillow-heif is installed


@cache
def readable_suffixes() -> frozenset[str]:
    """Suffixes of readable photos: some formats need a library or a build of Pillow."""
    avif = {".avif"} if features.check("avif") else set()
    return frozenset(_SUFFIXES | avif | (_HEIF if find_spec("pillow_heif") else set()))


def learn_heif(content: bytes) -> None:
    """Let Pillow read HEIC, if that is what a file begins with, and if pillow-heif is installed.

    The name says little: phones and messengers send HEIC as `.jpg`.
    """
    if content[4:8] == b"ftyp" and find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()


def is_photo(name: str) -> bool:
    """Whether a file is named like a photo; ._1.png, which macOS leaves beside 1.png, is none."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in readable_suffixes()
