"""The description in an exported file: all that reading needs besides the networks."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from digits import shapes
from digits.errors import DigitsError
from digits.export import seal
from digits.passes.zoom import Zoom
from digits.reading.state import FittedReader
from digits.recognition.crops import CropOptions
from digits.types import CLASS_NAMES

FORMAT = 1
_ABOUT, _RECOGNIZER = "digits", "digits_recognizer"  # of the texts in a file
KEYS = _ABOUT, _RECOGNIZER, seal.KEY


class About(Struct, kw_only=True, forbid_unknown_fields=True):
    """The description in an exported file."""

    format: Annotated[int, Meta(ge=1)] = FORMAT
    class_names: tuple[str, ...] = CLASS_NAMES
    versions: dict[str, str]
    min_size: Annotated[int, Meta(ge=1, le=100_000)]
    """The short side that the detector resizes photos to, pixels."""
    zoom: Zoom | None
    """When the reader makes a second pass, which is not part of the network."""
    reading: dict[str, Any]
    """The reader, as `digits.builders.build_reader` takes it."""
    reader: dict[str, Any] | None
    """What it was fitted to (`digits.reading.state.FittedReader`)."""
    crops: CropOptions | None
    """How rows are cut out for the recogniser; None: there is none in the file."""


def to_texts(about: About, recognizer: bytes | None) -> dict[str, str]:
    """The texts that a file holds.

    Args:
        about: the description.
        recognizer: an ONNX file.
    """
    texts = {_ABOUT: msgspec.json.encode(about).decode(), seal.KEY: seal.UNSEALED}
    if recognizer is not None:
        texts[_RECOGNIZER] = base64.b64encode(recognizer).decode()
    return texts


def from_texts(texts: Mapping[str, str], where: str) -> tuple[About, bytes | None]:
    """The inverse of `to_texts`.

    Args:
        texts: of a file whose digest was checked (`digits.export.seal`).
        where: its name, for messages.

    Raises:
        DigitsError: not of a file that `python -m digits.export` wrote, of a later format, or of
            other classes.
    """
    if _ABOUT not in texts:
        raise DigitsError(f"{where}: not written by python -m digits.export: it does not say how.")
    if not re.fullmatch("[0-9a-f]{64}", texts.get(seal.KEY, "")):
        raise DigitsError(f"{where}: damaged, or of an earlier version: export again.")
    about = shapes.decode(texts[_ABOUT].encode(), About, where)
    if about.format > FORMAT:
        raise DigitsError(
            f"{where}: format {about.format}, of a later version; this one reads up to {FORMAT}. "
            "Update digits."
        )
    if about.class_names != CLASS_NAMES:
        raise DigitsError(
            f"{where}: expected the classes {list(CLASS_NAMES)}, got {list(about.class_names)}."
        )
    if about.reader is not None:
        shapes.convert(about.reader, FittedReader, f"{where}: reader")
    if about.crops is None:
        return about, None
    try:
        return about, base64.b64decode(texts[_RECOGNIZER], validate=True)
    except (KeyError, binascii.Error) as error:
        raise DigitsError(
            f"{where}: damaged: its recogniser is not there; export again."
        ) from error
