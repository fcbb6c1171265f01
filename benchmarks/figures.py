"""What a benchmark yields, and how it is timed."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch

from digits.run_info import run_info


class Figure(NamedTuple):
    """One line of the table."""

    part: str
    what: str
    value: float
    unit: str
    low: float
    """The least of all rounds, in the unit of the value."""
    high: float

    @classmethod
    def of(cls, part: str, what: str, values: list[float], unit: str) -> "Figure":
        """The median of several rounds."""
        return cls(part, what, median(values), unit, min(values), max(values))

    def line(self) -> str:
        spread = f"  ({_short(self.low)} - {_short(self.high)})" if self.low < self.high else ""
        return f"{self.part:9} {self.what:58} {_short(self.value):>9} {self.unit}{spread}"


def in_turn(works: Mapping[str, Callable[[int], float]], rounds: int) -> dict[str, list[float]]:
    """Do every work once per round, so that whatever else the machine does hits all alike.

    Args:
        works: by name; takes the number of the round, returns its own figure.
        rounds: that count; one more goes before them and is thrown away.

    Returns:
        The figures of each work, round by round.
    """
    figures: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            figures[name].append(work(number))
    return {name: values[1:] for name, values in figures.items()}


def seconds(work: Callable[[], Any]) -> float:
    """How long a work takes, a GPU's queue included."""
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def multiply_adds_per_second(device: torch.device, bf16: bool = False) -> float:
    """The rate of a large matrix product, which hardly anything else on a machine exceeds."""
    side = 1024 if device.type == "cpu" else 8192
    dtype = torch.bfloat16 if bf16 else torch.float32
    left, right = (torch.rand(side, side, device=device, dtype=dtype) for _ in range(2))
    return side**3 / min(seconds(lambda: left @ right) for _ in range(5))


def ratios(slow: list[float], fast: list[float]) -> list[float]:
    """Round by round."""
    return [a / b for a, b in zip(slow, fast, strict=True)]


def origin() -> dict[str, Any]:
    """Where figures come from: command, versions and commit, and the machine."""
    return run_info(shlex.join([Path(sys.executable).name, *sys.argv])) | {
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load_average": os.getloadavg()[0],
    }


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
