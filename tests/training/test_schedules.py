import math
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.pytorch.callbacks import Timer
from torch.optim.lr_scheduler import OneCycleLR, StepLR

from digits.training.optimization import progress as share_spent
from digits.training.schedules import constant, cosine, onecycle, step

Schedule = Callable[[float, int], float]


@pytest.mark.parametrize(
    ("schedule", "progress", "epoch", "factor"),
    [
        (constant, 0.0, 0, 1),
        (constant, 1.0, 9, 1),
        (step, 0.0, 0, 1),
        (step, 0.9, 2, 0.5),
        (cosine, 0.0, 0, 0.01),
        (cosine, 0.015, 0, 0.505),
        (cosine, 0.03, 0, 1),
        (cosine, 0.515, 0, 0.505),
        (cosine, 1.0, 0, 0.01),
        (onecycle, 0.0, 0, 0.04),
        (onecycle, 0.3, 0, 1),
        (onecycle, 1.0, 0, 4e-6),
    ],
)
def test_values(schedule: Schedule, progress: float, epoch: int, factor: float) -> None:
    assert schedule(progress, epoch) == pytest.approx(factor)


def test_no_warm_up_starts_at_the_top() -> None:
    assert cosine(0.0, 0, warmup=0) == onecycle(0.0, 0, rise=0) == 1


def torch_rates(make: Callable[[torch.optim.Optimizer], Any], steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_step_is_torchs_step() -> None:
    expected = torch_rates(lambda o: StepLR(o, step_size=2, gamma=0.5), 8)
    assert [step(0.5, epoch) for epoch in range(8)] == pytest.approx(expected)


def test_onecycle_is_torchs_onecycle() -> None:
    steps = 1000
    expected = torch_rates(lambda o: OneCycleLR(o, max_lr=1.0, total_steps=steps + 1), steps)
    ours = [onecycle(i / steps, 0) for i in range(steps)]
    assert ours == pytest.approx(expected, abs=0.01)


@settings(max_examples=100, deadline=None)
@given(progress=st.floats(0, 1), epoch=st.integers(0, 1000))
def test_factors_lie_between_0_and_1(progress: float, epoch: int) -> None:
    for schedule in (constant, step, cosine, onecycle):
        assert 0 <= schedule(progress, epoch) <= 1


@settings(max_examples=50, deadline=None)
@given(a=st.floats(0.3, 1), b=st.floats(0.3, 1))
def test_after_the_rise_rates_only_fall(a: float, b: float) -> None:
    a, b = sorted((a, b))
    for schedule in (cosine, onecycle):
        assert schedule(a, 0) >= schedule(b, 0) - 1e-12


def progress(done: int, total: float, timer: Timer | None = None) -> float:
    """The share spent with so many steps done, and a timer among the callbacks."""
    trainer = SimpleNamespace(
        global_step=done,
        estimated_stepping_batches=total,
        callbacks=[timer] if timer else [],
        strategy=SimpleNamespace(broadcast=lambda value: value),
    )
    return share_spent(trainer)


class Clock(Timer):
    def __init__(self, seconds: float, of: float) -> None:
        super().__init__(duration=timedelta(seconds=of))
        self.seconds = seconds

    def time_elapsed(self, stage: Any = None) -> float:
        return self.seconds


@pytest.mark.parametrize(
    ("done", "total", "timer", "expected"),
    [
        (0, 10, None, 0.0),
        (4, 10, None, 0.4),
        (12, 10, None, 1.0),
        (400, math.inf, None, 0.0),  # no bound: nothing to anneal towards
        (4, -1, None, 0.0),
        (400, math.inf, Clock(30, of=120), 0.25),
        (4, 10, Clock(30, of=120), 0.4),  # whichever is further
        (1, 10, Clock(30, of=120), 0.25),
        (1, 10, Clock(130, of=120), 1.0),
    ],
)
def test_progress_is_the_further_of_steps_and_time(
    done: int, total: float, timer: Timer | None, expected: float
) -> None:
    assert progress(done, total, timer) == pytest.approx(expected)
