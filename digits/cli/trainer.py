"""Check the devices of Lightning's Trainer, apply its switches to the callbacks of a run."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, Checkpoint, LearningRateMonitor
from lightning.pytorch.profilers import AdvancedProfiler, Profiler, PyTorchProfiler, SimpleProfiler
from omegaconf import DictConfig

from digits.cli.ineffective import BARE
from digits.errors import DigitsError
from digits.training.progress import LiveBar

_PROFILERS: dict[str, type[Profiler]] = {
    "simple": SimpleProfiler,
    "advanced": AdvancedProfiler,
    "pytorch": PyTorchProfiler,
}
# Of which one is set on each machine where torchrun, SLURM or a person starts the processes.
_OF_MACHINES = ("GROUP_RANK", "NODE_RANK", "SLURM_NODEID", "SLURM_PROCID", "RANK")


def refuse_missing_devices(settings: Mapping[str, Any], gpus: int) -> None:
    """Refuse devices and machines that are not here, before anything is started on them.

    Args:
        settings: the group `trainer`, as plain data.
        gpus: of CUDA, on this machine.

    Raises:
        DigitsError: names the setting and what is here.
    """
    accelerator, devices, nodes = (settings[k] for k in ("accelerator", "devices", "num_nodes"))
    precision = settings["precision"]
    if accelerator in ("gpu", "cuda", "mps"):
        here = torch.backends.mps.is_available() if accelerator == "mps" else gpus
        if not here and not (accelerator == "gpu" and torch.backends.mps.is_available()):
            raise DigitsError(
                f"trainer.accelerator={accelerator}: there is none here that torch can use; say "
                "trainer.accelerator=auto or cpu."
            )
    elif accelerator == "cpu" or not (gpus or torch.backends.mps.is_available()):
        cores, counted = os.cpu_count() or 1, str(devices)
        if counted != "auto" and not (counted.isdecimal() and 1 <= int(counted) <= cores):
            raise DigitsError(
                f"trainer.devices={counted.replace(' ', '')}: expected auto, or a number of "
                f"processes on this machine's {cores} CPU cores, 1 to {cores}."
            )
        if str(precision) in ("16-mixed", "16"):  # Lightning would take bf16-mixed for it
            raise DigitsError(
                f"trainer.precision={precision}: GPUs alone have it; for this CPU say 32-true, or "
                "bf16-mixed where it has avx512_bf16 (lscpu)."
            )
    if nodes > 1 and not any(name in os.environ for name in _OF_MACHINES):
        raise DigitsError(
            f"trainer.num_nodes={nodes}: the other machines would be waited for without end. Start "
            "the command on each by torchrun or SLURM, or with NODE_RANK, MASTER_ADDR and "
            "MASTER_PORT set."
        )


def switches(settings: DictConfig, folder: Path) -> dict[str, Any]:
    """Arguments of the Trainer that replace those in the settings.

    Args:
        settings: the group `trainer`.
        folder: of the run, where a profile is written.
    """
    if settings.barebones:
        return BARE | {"logger": False}
    given: dict[str, Any] = {"enable_progress_bar": False}  # callbacks.progress_bar is ours
    if isinstance(settings.profiler, str):
        given["profiler"] = _PROFILERS[settings.profiler](dirpath=folder, filename="profile")
    return given


def kept_callbacks(
    settings: DictConfig, callbacks: DictConfig, logged: bool, metrics: Sequence[str]
) -> list[Callback]:
    """The callbacks of a run, without those that a switch of the Trainer turns off.

    Args:
        settings, callbacks: the groups `trainer` and `callbacks`.
        logged: whether there is any logger.
        metrics: of validation, such as `val/map`.

    Raises:
        DigitsError: one monitors an unknown metric of validation.
    """
    unwanted: list[type[Callback]] = []
    if settings.barebones:
        unwanted.append(Callback)
    if not settings.enable_progress_bar:
        unwanted.append(LiveBar)
    if not settings.enable_checkpointing:
        unwanted.append(Checkpoint)
    if not logged:
        unwanted.append(LearningRateMonitor)
    own = {name: one for name, one in instantiate(callbacks).items() if one}
    for name, one in own.items():
        monitor = getattr(one, "monitor", None) or metrics[0]
        # Callbacks of one's own may log other names, with a prefix of their own.
        if (monitor.startswith("val/") or "/" not in monitor) and monitor not in metrics:
            raise DigitsError(
                f"callbacks.{name}.monitor={monitor}: there is no such metric; expected one of "
                f"{', '.join(metrics)}."
            )
    return [one for one in own.values() if not isinstance(one, tuple(unwanted))]
