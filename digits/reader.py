"""Reading numbers from Python: `digits.load()`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from digits import checkpoint
from digits.data.photos import LONGEST, UNREADABLE, load_reduced, reduced
from digits.ensemble.assembled import assemble
from digits.ensemble.fusion import Fusion
from digits.ensemble.members import find_files
from digits.ensemble.options import stored_fit
from digits.errors import DigitsError
from digits.inference.detect import choose_device, detect_photos, scaled_to, with_rows
from digits.own_code import import_trusted
from digits.reading import CalibratedReader, Reader
from digits.reading.acceptance import accepts
from digits.recognition.checkpoint import open_recognizers
from digits.recognition.recognizer import Recognizer
from digits.types import CLASS_NAMES, NO_NUMBER, Detections, Record, reading_labels

Photo = str | Path | Image.Image | np.ndarray | Tensor
"""A file, a Pillow picture, an array uint8 `(H, W, 3)` or `(H, W)`, a tensor uint8 `(3, H, W)`."""
_ONE = str | bytes | Path | Image.Image | np.ndarray | Tensor  # of these each can be iterated over


@dataclass(frozen=True)
class Digit:
    """A digit of a number.

    Attributes:
        text: `0` to `9`.
        score: of the detector, in [0, 1].
        box: x_min, y_min, x_max, y_max in pixels of the photo.
    """

    text: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Result:
    """The number of a photo.

    Attributes:
        number: as text, leading zeros kept; empty where no digit was found.
        confidence: in [0, 1], the probability that the whole number is right.
        runner_up: the next most probable number; empty where none is known.
        digits: of the number, in reading order.
        accepted: whether it is sure enough to be used without a look.
    """

    number: str
    confidence: float
    runner_up: str
    digits: tuple[Digit, ...]
    accepted: bool


class NumberReader:
    """Reads numbers in photos.

    Args:
        models: the detectors, in evaluation mode.
        reader: their detections to a number.
        device: where the detectors run.
        recognizers: read the rows of what each detector finds.
        fusion: of the detections of several.
        batch_size: photos at once, of a list.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        reader: Reader,
        device: torch.device,
        recognizers: Sequence[Recognizer] = (),
        fusion: Fusion | None = None,
        batch_size: int = 32,
    ) -> None:
        self.models = [model.to(device) for model in models]
        self.reader = reader
        self.device = device
        self.recognizers = recognizers
        self.fusion = fusion
        self.batch_size = batch_size

    @classmethod
    def load(
        cls, ckpt: str | Path = "small", device: str = "auto", trust: Sequence[str] = ()
    ) -> "NumberReader":
        """From a checkpoint, or several: see `digits.load`."""
        paths, fusion = find_files(str(ckpt), "best.ckpt", "ckpt"), None
        where, modules = choose_device(device), import_trusted(trust)
        if len(paths) > 1:
            models, fusion, state = assemble(paths, stored_fit(str(ckpt), "auto"), modules)
            reader: Reader = CalibratedReader(state=state)
        else:
            loaded = checkpoint.load(paths[0])
            reader = checkpoint.rebuild_reader(loaded)
            models = [checkpoint.rebuild(loaded, trust=modules)]
        return cls(models, reader, where, open_recognizers("auto", [reader.state], where), fusion)

    @overload  # text is a sequence of texts, but a photo's path
    def read(self, photo: Photo) -> Result: ...  # type: ignore[overload-overlap]

    @overload
    def read(self, photo: Sequence[Photo]) -> list[Result]: ...

    def read(self, photo: Photo | Sequence[Photo]) -> Result | list[Result]:
        """Read one photo, or several at once.

        Large photos are reduced to 1,000 pixels, as by predict.py; boxes refer to the original.

        Args:
            photo: a file, a Pillow picture (turned as its camera says), an array uint8 `(H, W, 3)`
                RGB or `(H, W)` grey, a tensor uint8 `(3, H, W)` RGB; or a sequence of such photos.

        Returns:
            A result, or a list of them for a sequence.

        Raises:
            digits.errors.DigitsError: what cannot be read as a photo.
        """
        if isinstance(photo, Iterable) and not isinstance(photo, _ONE):
            return self._read(list(photo))
        return self._read([photo])[0]

    def detect(self, photos: Sequence[Photo]) -> list[Detections]:
        """All boxes found in some photos, in their pixels, before any is read."""
        prepared = [_prepare(photo) for photo in photos]
        pixels = [tensor for tensor, _ in prepared]
        members = []
        for model in self.models:
            detections = detect_photos(model, pixels, self.batch_size)
            detections = with_rows(pixels, detections, self.recognizers)
            members.append(
                [
                    scaled_to(found, tensor, *size)
                    for found, (tensor, size) in zip(detections, prepared, strict=True)
                ]
            )
        if self.fusion is None:
            return members[0]
        return [
            self.fusion([_to_record(found, index, size) for found in of_members])
            for index, (*of_members, (_, size)) in enumerate(zip(*members, prepared, strict=True))
        ]

    def _read(self, photos: Sequence[Photo]) -> list[Result]:
        return [_to_result(found, self.reader) for found in self.detect(photos)]


def _to_record(detections: Detections, index: int, size: tuple[int, int]) -> Record:
    height, width = size
    named: Record = {
        **detections, "image_id": index, "file_name": "", "height": height, "width": width
    }  # fmt: skip
    return named


def _to_result(detections: Detections, reader: Reader) -> Result:
    reading = reader.read(detections)
    accepted = accepts(reader, reading, detections)
    labels = reading_labels(reading, detections["labels"]).tolist()
    scores = detections["scores"][reading.indices].tolist()
    boxes = detections["boxes"][reading.indices].tolist()
    digits = tuple(
        Digit(CLASS_NAMES[label - 1], score, tuple(box))
        for label, score, box in zip(labels, scores, boxes, strict=True)
    )
    number = "" if reading.number == NO_NUMBER else reading.number
    return Result(number, reading.confidence, reading.runner_up, digits, accepted)


def _prepare(photo: Photo) -> tuple[Tensor, tuple[int, int]]:
    """The photo, uint8 `(3, h, w)`, reduced, and its own `(height, width)`."""
    if isinstance(photo, str | Path):
        return load_reduced(Path(photo), LONGEST)
    if isinstance(photo, Tensor):
        if photo.ndim != 3 or len(photo) != 3 or photo.dtype != torch.uint8 or not photo.numel():
            raise DigitsError(
                "Expected a tensor uint8 of shape (3, H, W), RGB, got "
                f"{str(photo.dtype).removeprefix('torch.')} of shape {tuple(photo.shape)}."
            )
        photo = photo.permute(1, 2, 0).cpu().numpy()
    if isinstance(photo, np.ndarray):
        colour = photo.ndim == 3 and photo.shape[2] == 3
        if photo.dtype != np.uint8 or not (colour or photo.ndim == 2) or not photo.size:
            raise DigitsError(
                "Expected an array uint8 of shape (H, W, 3), RGB, or (H, W), got "
                f"{photo.dtype} of shape {photo.shape}."
            )
        photo = Image.fromarray(photo)
    if not isinstance(photo, Image.Image) or not all(photo.size):
        got = f"one of {photo.size}" if isinstance(photo, Image.Image) else type(photo).__name__
        raise DigitsError(
            "Expected a file's path, a Pillow picture with pixels, an array or a tensor, got "
            f"{got} (cv2.imread returns None where it cannot read a file)."
        )
    try:
        return reduced(photo, LONGEST)
    except UNREADABLE as error:
        raise DigitsError(f"A Pillow picture cannot be read as a photo ({error}).") from error
