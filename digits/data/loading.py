"""DataLoaders of photos; without Lightning, which would slow the start of predict.py by seconds."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sized
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from digits.types import PhotoDataset, Target

Item = tuple[Tensor, Target]
Batch = tuple[list[Tensor], list[Target]]
SplitOpener = Callable[[str], PhotoDataset]
"""`train`, `valid` or `test` to a data set."""


def to_arrays(value: Any) -> Any:
    """Tensors as arrays, in dictionaries and tuples: they travel between processes as plain bytes.

    A tensor would travel through a file of its own in shared memory, which takes longer than
    reading a small photo.
    """
    return _mapped(value, Tensor, Tensor.numpy)


def to_tensors(value: Any) -> Any:
    """The inverse of `to_arrays`."""
    return _mapped(value, np.ndarray, torch.from_numpy)


def _mapped(value: Any, kind: type, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: change(v) if isinstance(v, kind) else v for name, v in value.items()}
    if isinstance(value, tuple):
        return tuple(_mapped(v, kind, change) for v in value)
    return change(value) if isinstance(value, kind) else value


def collate(items: list[Item]) -> list[tuple[np.ndarray, dict[str, object]]]:
    """Collate photos to arrays."""
    return [to_arrays(item) for item in items]


class PhotoLoader(DataLoader[Item]):
    """Gives batches as lists of photos and of targets, since photos differ in size."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        for batch in super().__iter__():
            photos, targets = map(list, zip(*map(to_tensors, batch), strict=True))
            yield photos, cast("list[Target]", targets)


def loader(
    data: PhotoDataset | Dataset[Item], num_workers: int | None, **kwargs: Any
) -> PhotoLoader:
    """A loader of photos, in order unless a sampler is given.

    Args:
        data: photos and targets by index.
        num_workers: loading processes; `None` takes half the cores, 1 to 8.
        kwargs: of `torch.utils.data.DataLoader`, with `batch_size` or `batch_sampler`.
    """
    settings = worker_settings(num_workers, batch_count(cast(Sized, data), **kwargs)) | kwargs
    return PhotoLoader(cast("Dataset[Item]", data), collate_fn=collate, **settings)


def batch_count(
    data: Sized, batch_size: int = 1, batch_sampler: Sized | None = None, **others: object
) -> int:
    """The batches that a loader gives with these arguments."""
    return -(-len(data) // batch_size) if batch_sampler is None else len(batch_sampler)


def worker_settings(num_workers: int | None, batches: int) -> dict[str, Any]:
    """Arguments of `torch.utils.data.DataLoader` about its loading processes.

    Args:
        num_workers: how many at most; `None` takes half the cores, 1 to 8.
        batches: of the loader; a process of its own for each is enough.
    """
    workers = min(worker_count(num_workers), batches)
    return {
        "num_workers": workers,
        "worker_init_fn": ignore_signals,
        "generator": _Generator(),  # of its own: a loader takes nothing from torch's stream
        "persistent_workers": workers > 0,
    }


class _Generator(torch.Generator):
    """Begins anew in a process that is spawned, to which torch can't hand a generator's state."""

    def __reduce__(self) -> Any:
        return _Generator, ()


def worker_count(num_workers: int | None) -> int:
    """Loading processes: as said, or for `None` half the cores, 1 to 8."""
    if num_workers is not None:
        return num_workers
    return min(8, max(1, (os.cpu_count() or 1) // 2))


def ignore_signals(worker: int) -> None:
    """Loading processes leave Ctrl-C and SIGTERM to the main process, and end with it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":  # elsewhere torch notices it, sooner or later
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
