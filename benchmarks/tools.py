"""Tesseract and RapidOCR as readers of one number per photo; the extra `peers` brings both."""

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image

from digits.errors import DigitsError
from digits.types import CLASS_NAMES

_DIGITS = "".join(CLASS_NAMES)
_TESSDATA = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)


class Tool(NamedTuple):
    """One tool with one setting."""

    name: str
    setting: str
    read: Callable[[np.ndarray], str]
    """A photo, uint8 `(H, W, 3)` RGB, to text; empty where it reads nothing."""


def digits_alone(text: str) -> str:
    """The digits of a text, in order: what a user keeps of an OCR tool's output."""
    return "".join(character for character in text if character in _DIGITS)


def tesseract() -> Iterator[Tool]:
    """Tesseract's LSTM engine told to read digits alone, as a line, as a word, and raw.

    Raises:
        DigitsError: it is not installed, or its English model is not.
    """
    api = _module("tesserocr")
    for mode, scale in ((7, 4), (7, 2), (8, 4), (13, 4)):
        engine = api.PyTessBaseAPI(path=str(_tessdata()), lang="eng", psm=mode, oem=1)
        engine.SetVariable("tessedit_char_whitelist", _DIGITS)

        def read(photo: np.ndarray, engine: Any = engine, scale: int = scale) -> str:
            engine.SetImage(Image.fromarray(_enlarged(photo, scale)))
            return str(engine.GetUTF8Text())

        yield Tool("Tesseract", f"--psm {mode}, digits only, {scale}x", read)


def rapidocr_line() -> Iterator[Tool]:
    """RapidOCR's recognition alone: the photo is taken for one line of text.

    Raises:
        DigitsError: it is not installed.
    """
    engine = _rapidocr()
    for scale in (1, 4):

        def read(photo: np.ndarray, scale: int = scale) -> str:
            found = engine(_bgr(photo, scale), use_det=False, use_cls=False, use_rec=True)
            return "".join(found.txts or ())

        yield Tool("RapidOCR, recognition only", f"{scale}x", read)


def rapidocr() -> Iterator[Tool]:
    """RapidOCR whole: its detector finds lines of text, which are read and joined in its order.

    Raises:
        DigitsError: it is not installed.
    """
    # Its detector enlarges photos to a short side of 736 pixels unless told otherwise.
    for side in (736, 256, 192):
        engine = _rapidocr({"Det.limit_side_len": side, "Det.limit_type": "min"})

        def read(photo: np.ndarray, engine: Any = engine) -> str:
            # A user of numbers would rather have an unsure one than none: no score is too low.
            found = engine(_bgr(photo, 1), use_cls=False, text_score=0.0)
            return "".join(found.txts or ())

        yield Tool("RapidOCR", f"short side {side}", read)


TOOLS = {"tesseract": tesseract, "rapidocr-line": rapidocr_line, "rapidocr": rapidocr}


def _rapidocr(settings: dict[str, Any] | None = None) -> Any:
    return _module("rapidocr").RapidOCR(params={"Global.log_level": "error"} | (settings or {}))


def _tessdata() -> Path:
    named = os.environ.get("TESSDATA_PREFIX")
    for folder in map(Path, [named] if named else _TESSDATA):
        if (folder / "eng.traineddata").is_file():
            return folder
    raise DigitsError(
        f"Tesseract: no eng.traineddata in {named or ', '.join(_TESSDATA)}; install Debian's "
        "tesseract-ocr, or point TESSDATA_PREFIX to the folder that holds it."
    )


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DigitsError(f"{name}: {error}; pip install -e '.[peers]' brings it.") from error


def _enlarged(photo: np.ndarray, scale: int) -> np.ndarray:
    return cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def _bgr(photo: np.ndarray, scale: int) -> np.ndarray:
    return np.ascontiguousarray(_enlarged(photo, scale)[..., ::-1])
