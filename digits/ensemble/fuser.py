"""Fuse whole splits on all cores."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack

from digits.ensemble.fusion import FusedBoxes, Fusion, Photo, to_photo, to_record
from digits.types import Record

_PHOTOS_PER_TASK = 32  # photos per task
_MIN_PHOTOS = 100  # fewer photos are not worth starting processes


class Fuser:
    """Fuses whole splits, on all cores; a context manager, since it keeps processes.

    Args:
        members: per member its records, photos in the same order.
    """

    def __init__(self, members: Sequence[Sequence[Record]]) -> None:
        self.members = members
        self._photos = [to_photo(records) for records in zip(*members, strict=True)]
        self._stack = ExitStack()
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Fuser":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if len(self._photos) >= _MIN_PHOTOS and (cores or 1) > 1:
            self._pool = self._stack.enter_context(ProcessPoolExecutor(min(cores or 1, 8)))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def __len__(self) -> int:
        return len(self._photos)

    def __call__(self, fusion: Fusion, chosen: Sequence[int] | None = None) -> Iterator[Record]:
        """Fused records of the photos, all or those of some indices, in order."""
        indices = range(len(self._photos)) if chosen is None else chosen
        photos = [self._photos[i] for i in indices]
        chunks = [photos[i : i + _PHOTOS_PER_TASK] for i in range(0, len(photos), _PHOTOS_PER_TASK)]
        run = self._pool.map if self._pool else map
        done = run(_fuse_chunk, [fusion] * len(chunks), chunks)  # starts at once
        fused = (photo for chunk in done for photo in chunk)
        return (
            to_record([member[i] for member in self.members], boxes)
            for i, boxes in zip(indices, fused, strict=True)
        )


def _fuse_chunk(fusion: Fusion, photos: list[Photo]) -> list[FusedBoxes]:
    return [fusion.fuse(photo) for photo in photos]
