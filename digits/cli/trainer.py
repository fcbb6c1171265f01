"""Apply the switches of Lightning's Trainer to the callbacks of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, Checkpoint, LearningRateMonitor
from lightning.pytorch.profilers import AdvancedProfiler, Profiler, PyTorchProfiler, SimpleProfiler
from omegaconf import DictConfig

from digits.errors import DigitsError
from digits.training.progress import LiveBar

_PROFILERS: dict[str, type[Profiler]] = {
    "simple": SimpleProfiler,
    "advanced": AdvancedProfiler,
    "pytorch": PyTorchProfiler,
}
# What Lightning refuses beside barebones=true, though it is set: all that takes time.
_BARE: dict[str, Any] = {
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "log_every_n_steps": 0,
    "num_sanity_val_steps": 0,
    "fast_dev_run": False,
    "detect_anomaly": False,
    "profiler": None,
}


def switches(settings: DictConfig, folder: Path) -> dict[str, Any]:
    """Arguments of the Trainer that replace those in the settings.

    Args:
        settings: the group `trainer`.
        folder: of the run, where a profile is written.
    """
    if settings.barebones:
        return _BARE | {"logger": False}
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
