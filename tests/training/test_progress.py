"""The bar of a training, in a terminal."""

import io
import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Timer
from rich.console import Console

from digits.training import progress


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ((30, None), "30 epochs"),
        ((30, None, 5), "30 epochs or 5 steps"),
        ((-1, None, 5), "5 steps"),
        ((-1, None), "none: end it by Ctrl-C"),
        ((-1, 70.0), "0:01:10, until "),
        ((3, 70.0, 5), "3 epochs or 5 steps or 0:01:10, until "),
    ],
)
def test_the_budget_names_all_that_can_end_a_training(limits: Any, says: str) -> None:
    assert progress.budget(*limits).startswith(says)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("max_time", ["00:00:20:00", None])
def test_the_bar_fits_the_terminal_and_says_when_the_clock_ends_the_training(
    monkeypatch: pytest.MonkeyPatch, width: int, max_time: str | None
) -> None:
    out = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=out, width=width, force_terminal=True))
    trainer: Any = SimpleNamespace(
        callbacks=[Timer(max_time)], current_epoch=122, max_epochs=-1 if max_time else 300,
        num_training_batches=10_000, num_val_batches=[600], world_size=1, is_global_zero=True,
        accumulate_grad_batches=1,
    )  # fmt: skip
    bar, module, batch = progress.LiveBar(), Any, ([None] * 16, [None] * 16)
    for index in range(2):
        bar.on_train_batch_start(trainer, module, batch, index)
        bar.on_train_batch_end(trainer, module, {"loss": torch.tensor(2.0 + index)}, batch, index)
    bar.on_train_epoch_end(trainer, module)  # which wipes the bar, after it was drawn once more
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    lines = [line for line in re.split(r"[\r\n]+", drawn) if line]
    assert all(len(line) <= width for line in lines)
    assert "2/10000" in lines[-1] and "loss 2.500" in lines[-1]
    assert ("epoch 123 of 300" in lines[-1]) == (max_time is None)
    assert bool(re.search(r"until \d\d:\d\d:\d\d", lines[-1])) == (max_time is not None)
