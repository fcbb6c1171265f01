"""Optimizer and learning rate schedule, by steps or by time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Timer
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from digits.errors import DigitsError

OptimizerFactory = Callable[..., torch.optim.Optimizer]
Schedule = Callable[[float, int], float]
"""`(progress, epoch)` to a factor on the learning rate (`digits.training.schedules`)."""


def progress(trainer: L.Trainer) -> float:
    """Share of the budget that is spent, in [0, 1]: steps or time, whichever is further."""
    total = trainer.estimated_stepping_batches
    shares = [trainer.global_step / total if 0 < total < float("inf") else 0.0]
    for timer in (c for c in trainer.callbacks if isinstance(c, Timer)):  # type: ignore[attr-defined]
        left = timer.time_remaining()
        if left is not None:
            elapsed = timer.time_elapsed()
            shares.append(elapsed / max(elapsed + left, 1e-9))
    # Clocks differ between processes, learning rates must not.
    spent: float = trainer.strategy.broadcast(min(1.0, max(shares)))
    return spent


def not_finite(step: int, what: str) -> DigitsError:
    """The error of a training whose loss is not finite.

    Args:
        step: of the training.
        what: it was computed of.
    """
    return DigitsError(
        f"The loss is not finite at step {step} ({what}). last.ckpt is of the end of the epoch "
        "before, where there is one. Lower optimizer.lr or set trainer.gradient_clip_val=1."
    )


def configure(
    module: L.LightningModule,
    factory: OptimizerFactory,
    schedule: Schedule,
    groups: Mapping[str, Sequence[nn.Parameter]],
    lr_factors: Sequence[float],
) -> dict[str, Any]:
    """What `configure_optimizers` returns: the optimizer of parameter groups, and its schedule.

    Args:
        module: that is trained.
        factory: parameter groups to an optimizer.
        schedule: of the learning rate.
        groups: of parameters, by name; learning rates are logged as `train/lr/NAME`.
        lr_factors: of each group, on the optimizer's learning rate.

    Raises:
        DigitsError: arguments that the optimizer or the schedule does not know.
    """
    try:
        optimizer = factory([{"params": list(group), "name": n} for n, group in groups.items()])
        schedule(0.0, 0)
    except (TypeError, ValueError) as error:
        raise DigitsError(
            f"optimizer or scheduler: {error}; see conf/optimizer and conf/scheduler for the "
            "arguments of each."
        ) from error
    for group, factor in zip(optimizer.param_groups, lr_factors, strict=True):
        group["lr"] *= factor
    scheduler = LambdaLR(
        optimizer, lambda _: schedule(progress(module.trainer), module.trainer.current_epoch)
    )
    step = {"scheduler": scheduler, "interval": "step", "name": "train/lr"}
    return {"optimizer": optimizer, "lr_scheduler": step}
