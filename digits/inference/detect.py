"""Run a detector on photos, as a stream."""

import os
from collections.abc import Iterator
from itertools import chain, islice

import torch
from torch import nn

from digits.console import console
from digits.data.loading import loader
from digits.errors import DigitsError
from digits.inference.batches import GATHERED, DetectedPhoto, LoadedPhoto, detect_loaded, gathered
from digits.inference.options import InferenceOptions
from digits.inference.processes import ProcessesFailed, detect_in_processes
from digits.inference.source import Readers
from digits.inference.workers import Workers
from digits.models.rcnn import DigitRCNN
from digits.types import PhotoDataset

_MAX_PROCESSES = 8  # memory grows with each
_LEAST_SHARE = 4  # photos per process: a process takes as long to start
_WORTH_STARTING = 2_000  # photos: processes that use a GPU take seconds to start


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
    readers: Readers | None = None,
) -> Iterator[DetectedPhoto]:
    """Detect the digits of every photo, in the order of the data set.

    Nothing is kept, so that memory does not grow with the number of photos.

    Args:
        model: the detector.
        data: the photos.
        options: how it runs.
        unreadable: gets the names of the files that cannot be read, and why; such photos are left
            out. None: the first of them is an error.
        readers: if photos are worked on by several processes, these read them as well.

    Raises:
        DigitsError: a file cannot be read, and `unreadable` is None; a process was killed.
    """
    found = _detect_here(model, data, options, unreadable)
    count = process_count(model, len(data), options)
    if count > 1:
        several = detect_in_processes(model.eval(), data, options, count, unreadable, readers)
        try:
            found = chain(list(islice(several, 1)), several)
        except ProcessesFailed:
            if options.device.type == "cpu":
                raise
            console.print(f"{options.device} takes no other process: this one does everything.")
    yield from found


def _detect_here(
    model: nn.Module,
    data: PhotoDataset,
    options: InferenceOptions,
    unreadable: dict[str, str] | None,
) -> Iterator[DetectedPhoto]:
    model = model.to(options.device).eval()
    # A process of its own costs more time than it saves on a few photos.
    processes = options.num_workers if len(data) > options.batch_size else 0
    batches = loader(data, processes, batch_size=-(-options.batch_size // GATHERED))
    photos = (item for batch in batches for item in zip(*batch, strict=True))
    named = (LoadedPhoto(*item, data.file_name(i)) for i, item in enumerate(photos))
    with Workers(options.device) as workers:
        for some in gathered(named, GATHERED * options.batch_size):
            yield from detect_loaded(model, some, options, workers, unreadable)


def process_count(model: nn.Module, photos: int, options: InferenceOptions) -> int:
    """How many processes detect; 1 or 0: this one alone, which they would not make faster.

    A large network is slow for its own sake, and takes memory in each process.
    """
    if photos <= options.batch_size or not isinstance(model, DigitRCNN):
        return 1
    cuda = options.device.type == "cuda"
    if options.device.type != "cpu" and not (cuda and photos >= _WORTH_STARTING):
        return 1
    wanted = options.num_workers
    if wanted is None:
        wanted = min(_MAX_PROCESSES, (os.cpu_count() or 1) if cuda else torch.get_num_threads())
    return min(wanted, -(-photos // _LEAST_SHARE))
