"""Run batches of photos on several threads, each with its share of the cores."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Result = TypeVar("Result")

_MAX_THREADS = 4  # threads: beyond that they wait for Python, and memory grows with each


class Workers:
    """Threads that batches are worked on, as a context.

    The maps of small photos are too small to be shared among cores without loss, so each core
    rather takes a batch of its own. A single batch gets all cores, and so does a GPU's.

    Args:
        device: where the networks run.
    """

    def __init__(self, device: torch.device) -> None:
        self.cores = torch.get_num_threads()
        self.count = min(_MAX_THREADS, self.cores) if device.type == "cpu" else 1
        share = self.cores // self.count
        self._threads = ThreadPoolExecutor(self.count, "batch", torch.set_num_threads, (share,))

    def map(
        self, work: Callable[[Sequence[int]], Sequence[Result]], order: Sequence[int], most: int
    ) -> list[Result]:
        """The results of items 0 to N - 1, in that order.

        Args:
            work: indices of some items to their results.
            order: a permutation of the N items; neighbours in it share a batch.
            most: items of a batch.
        """
        size = max(1, min(most, -(-len(order) // self.count)))
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        run = map if len(batches) == 1 or self.count == 1 else self._threads.map
        results: dict[int, Result] = {}
        for batch, done in zip(batches, run(work, batches), strict=True):
            results.update(zip(batch, done, strict=True))
        return [results[item] for item in range(len(order))]

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        torch.set_num_threads(self.cores)  # threads of others begin with what was set last
