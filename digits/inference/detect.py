"""Run a detector on photos, as a stream."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from digits.data.loading import loader
from digits.errors import DigitsError
from digits.inference.options import InferenceOptions
from digits.inference.workers import Workers
from digits.recognition.recognizer import Recognizer
from digits.records import scaled_to, weighed
from digits.types import Detections, PhotoDataset, Record, RowTexts, Target

# What is sorted by shape at once: so many batches, or fewer photos where they hold more bytes, so
# that people who wait for large photos see them one after the other.
_BATCHES = 4
_BYTES = 30_000_000

Batch = tuple[list[Tensor], list[Target], list[str]]
"""Photos, targets and file names."""


class DetectedPhoto(NamedTuple):
    """A photo and what was found in it."""

    record: Record
    target: Target
    """Empty where the data has no labels."""
    photo: Tensor
    """uint8 `(3, h, w)`, which may be smaller than the record's height and width."""


def choose_device(name: str = "auto") -> torch.device:
    """`auto` is the first GPU where there is one, else the CPU.

    Raises:
        DigitsError: no such device here.
    """
    if name != "auto":
        try:
            device = torch.device(name)
        except (RuntimeError, TypeError) as error:  # names all that torch was ever made for
            raise DigitsError(
                f"device={name}: expected auto, cpu, cuda, cuda:1 (of several) or mps."
            ) from error
        try:
            torch.zeros(1, device=device).item()  # "meta" has no numbers
        except (RuntimeError, AssertionError, ImportError) as error:
            reason = str(error).splitlines()[0].split(". ")[0].rstrip(".")
            raise DigitsError(
                f"device={name}: {reason}. Say device=auto, cpu, or a GPU that is here."
            ) from error
        return device
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return accelerator or torch.device("cpu")


def detect(
    model: nn.Module,
    data: PhotoDataset,
    options: InferenceOptions,
    unreadable: dict[str, str] | None = None,
) -> Iterator[DetectedPhoto]:
    """Detect the digits of every photo, in the order of the data set.

    Nothing is kept, so that memory does not grow with the number of photos.

    Args:
        model: the detector.
        data: the photos.
        options: how it runs.
        unreadable: gets the names of the files that cannot be read, and why; such photos are left
            out. None: the first of them is an error.

    Raises:
        DigitsError: a file cannot be read, and `unreadable` is None.
    """
    model = model.to(options.device).eval()
    # A process of its own costs more time than it saves on a few photos.
    processes = options.num_workers if len(data) > options.batch_size else 0
    names = map(data.file_name, range(len(data)))
    loaded = loader(data, processes, batch_size=-(-options.batch_size // _BATCHES))
    batches = _readable(loaded, names, unreadable)
    with Workers(options.device) as workers:
        for photos, targets, named in _gathered(batches, _BATCHES * options.batch_size):
            found = detect_photos(model, photos, options, workers)
            for photo, target, name, here in zip(photos, targets, named, found, strict=True):
                height, width = target.get("size", photo.shape[1:])
                record: Record = {
                    **scaled_to(here, photo.shape[1:], (height, width)),
                    "image_id": target["image_id"],
                    "file_name": name,
                    "height": height,
                    "width": width,
                }
                yield DetectedPhoto(record, target, photo)


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


def _readable(
    batches: Iterable[tuple[list[Tensor], list[Target]]],
    names: Iterator[str],
    unreadable: dict[str, str] | None,
) -> Iterator[Batch]:
    """The photos that could be decoded, and their names."""
    for photos, targets in batches:
        named = [next(names) for _ in targets]
        good = [i for i, target in enumerate(targets) if "unreadable" not in target]
        for i in set(range(len(targets))).difference(good):
            if unreadable is None:
                raise DigitsError(targets[i]["unreadable"])
            unreadable[named[i]] = targets[i]["unreadable"]
        yield [photos[i] for i in good], [targets[i] for i in good], [named[i] for i in good]


def _gathered(batches: Iterable[Batch], most: int) -> Iterator[Batch]:
    """Several batches as one, of `most` photos, or of fewer and larger ones."""
    photos: list[Tensor] = []
    targets: list[Target] = []
    names: list[str] = []
    for more, theirs, called in batches:
        photos, targets, names = photos + more, targets + theirs, names + called
        if len(photos) >= most or sum(photo.nbytes for photo in photos) > _BYTES:
            yield photos, targets, names
            photos, targets, names = [], [], []
    if photos:
        yield photos, targets, names
