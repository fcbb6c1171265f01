"""Run a detector in several processes: each loads photos, detects, and reads rows, on one core.

Most of what is done for a photo beside the networks is Python, which threads of one process do not
share; on a GPU it takes longer than they do.
"""

import multiprocessing as mp
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import nn

from digits.data.loading import ignore_signals, to_arrays, to_tensors
from digits.errors import DigitsError
from digits.inference.batches import GATHERED, DetectedPhoto, LoadedPhoto, detect_loaded, gathered
from digits.inference.options import InferenceOptions
from digits.inference.source import Item, Readers
from digits.inference.workers import Workers
from digits.types import PhotoDataset

_AHEAD = 2  # shares per process that are waited for at once, so that memory does not grow


class ProcessesFailed(DigitsError):
    """A process did not start, or was killed."""


class _Done(NamedTuple):
    """What a process gives of a share of the photos."""

    photos: list[Any]  # detected, as arrays
    unreadable: dict[str, str]
    rest: Sequence[int]  # of the share: large photos come in several pieces


@dataclass
class _Work:
    """What each process holds."""

    model: nn.Module
    data: PhotoDataset
    options: InferenceOptions
    readers: Readers | None
    strict: bool


_work: _Work  # of this process


def detect_in_processes(
    model: nn.Module,
    data: PhotoDataset,
    options: InferenceOptions,
    count: int,
    unreadable: dict[str, str] | None,
    readers: Readers | None,
) -> Iterator[DetectedPhoto]:
    """As `digits.inference.detect.detect`, in `count` processes.

    Raises:
        ProcessesFailed: a process did not start, or was killed.
        DigitsError: a file cannot be read, and `unreadable` is None.
    """
    rounds = -(-len(data) // (count * GATHERED * options.batch_size))
    size = -(-len(data) // (count * rounds))
    shares = deque(range(k, min(k + size, len(data))) for k in range(0, len(data), size))
    cuda = options.device.type == "cuda"  # which cannot be used in a process that was forked
    cpu = torch.device("cpu")
    sent = replace(options, recognizers=[r.on(cpu) for r in options.recognizers])
    work = _Work(model.to(cpu), data, sent, readers, unreadable is None)
    before = set(mp.active_children())
    pool = ProcessPoolExecutor(
        min(count, len(shares)), mp.get_context("spawn" if cuda else None), _begin, (work,)
    )
    running: deque[Future[_Done]] = deque()
    try:
        while shares or running:
            while shares and len(running) < _AHEAD * count:
                running.append(pool.submit(_run, shares.popleft()))
            done = running.popleft().result()
            if len(done.rest):
                running.appendleft(pool.submit(_run, done.rest))
            if unreadable is not None:
                unreadable |= done.unreadable
            yield from (DetectedPhoto(*to_tensors(photo)) for photo in done.photos)
    except BrokenProcessPool as error:
        raise ProcessesFailed(
            "A process that detects was killed, perhaps for want of memory; lower batch_size, the "
            "input size or num_workers (0: no other process)."
        ) from error
    finally:
        for process in set(mp.active_children()) - before if running else ():
            process.kill()  # at once, rather than after its share
        pool.shutdown(cancel_futures=True)


def _begin(work: _Work) -> None:
    global _work
    ignore_signals(0)
    torch.set_num_threads(1)
    options = work.options
    options = replace(options, recognizers=[r.on(options.device) for r in options.recognizers])
    _work = replace(work, model=work.model.to(options.device), options=options)


def _run(share: Sequence[int]) -> _Done:
    data, readers = _work.data, _work.readers
    loaded = (LoadedPhoto(*data[i], data.file_name(i)) for i in share)
    photos = next(gathered(loaded, len(share)))
    unreadable: dict[str, str] = {}
    named = None if _work.strict else unreadable
    with Workers(_work.options.device) as workers:
        found = detect_loaded(_work.model, photos, _work.options, workers, named)
    if readers is not None:
        found = [one._replace(read=readers.read(Item(one.record, one.record))) for one in found]
    return _Done([to_arrays(one) for one in found], unreadable, share[len(photos) :])
