"""Photos that are loaded, to what is found in them, batch by batch."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from digits.errors import DigitsError
from digits.inference.options import InferenceOptions
from digits.inference.workers import Workers
from digits.recognition.recognizer import Recognizer
from digits.records import scaled_to, weighed
from digits.types import Detections, Reading, Record, RowTexts, Target

# What is sorted by shape at once: so many batches, or fewer photos where they hold more bytes, so
# that people who wait for large photos see them one after the other.
GATHERED = 4
_BYTES = 30_000_000


class LoadedPhoto(NamedTuple):
    """A photo of a data set."""

    photo: Tensor
    """uint8 `(3, h, w)`."""
    target: Target
    file_name: str


class DetectedPhoto(NamedTuple):
    """A photo and what was found in it."""

    record: Record
    target: Target
    """Empty where the data has no labels."""
    photo: Tensor
    """uint8 `(3, h, w)`, which may be smaller than the record's height and width."""
    read: tuple[Reading, Record] | None = None
    """Its number and the boxes to submit, where it was read too."""


def gathered(photos: Iterable[LoadedPhoto], most: int) -> Iterator[list[LoadedPhoto]]:
    """Photos by `most`, or fewer and larger ones."""
    some: list[LoadedPhoto] = []
    size = 0
    for loaded in photos:
        some.append(loaded)
        size += loaded.photo.nbytes
        if len(some) >= most or size > _BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def detect_loaded(
    model: nn.Module,
    photos: Sequence[LoadedPhoto],
    options: InferenceOptions,
    workers: Workers,
    unreadable: dict[str, str] | None = None,
) -> list[DetectedPhoto]:
    """Detect the digits of some photos, in their order.

    Args:
        model: in evaluation mode, on the options' device.
        photos: of a data set.
        options: how it runs.
        workers: threads.
        unreadable: gets the names of the files that cannot be read, and why; such photos are left
            out. None: the first of them is an error.

    Raises:
        DigitsError: a file cannot be read, and `unreadable` is None.
    """
    readable = []
    for loaded in photos:
        reason = loaded.target.get("unreadable")
        if reason is None:
            readable.append(loaded)
        elif unreadable is None:
            raise DigitsError(reason)
        else:
            unreadable[loaded.file_name] = reason
    found = detect_photos(model, [loaded.photo for loaded in readable], options, workers)
    return [_detected(*loaded, here) for loaded, here in zip(readable, found, strict=True)]


def _detected(photo: Tensor, target: Target, name: str, found: Detections) -> DetectedPhoto:
    height, width = target.get("size", photo.shape[1:])
    record: Record = {
        **scaled_to(found, photo.shape[1:], (height, width)),
        "image_id": target["image_id"],
        "file_name": name,
        "height": height,
        "width": width,
    }
    return DetectedPhoto(record, target, photo)


def detect_photos(
    model: nn.Module, photos: Sequence[Tensor], options: InferenceOptions, workers: Workers
) -> list[Detections]:
    """Detections on the CPU, in the order of the photos, boxes in their pixels.

    Those of like shape are detected together, since every photo of a batch is padded to the widest.

    Args:
        model: in evaluation mode, on the options' device.
        photos: uint8 `(3, h, w)` each, on the CPU.
        options: how it runs.
        workers: threads.
    """

    @torch.inference_mode()
    def work(chosen: Sequence[int]) -> list[Detections]:
        some = [photos[i] for i in chosen]
        with torch.autocast(options.device.type, torch.bfloat16, enabled=options.bf16):
            return _with_rows(some, model(some), options.recognizers)

    order = sorted(range(len(photos)), key=lambda i: photos[i].shape[2] / photos[i].shape[1])
    return workers.map(work, order, options.batch_size)


def _with_rows(
    photos: Sequence[Tensor], detections: Sequence[Detections], recognizers: Sequence[Recognizer]
) -> list[Detections]:
    """Detections with what recognisers read in the rows of each photo; all have an equal say."""
    if not recognizers:
        return list(detections)
    rows: list[list[RowTexts]] = [[] for _ in photos]
    for recognizer in recognizers:
        for mine, more in zip(rows, recognizer.read(photos, detections), strict=True):
            mine += weighed(more, 1 / len(recognizers))
    return [found | {"rows": mine} for found, mine in zip(detections, rows, strict=True)]
