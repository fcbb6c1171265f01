"""Fit the module of a run: what is left to train, its Trainer, its loggers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Timer
from omegaconf import DictConfig

from digits.cli.overwriting import replace_training
from digits.cli.resuming import go_on
from digits.cli.trainer import kept_callbacks, switches
from digits.console import banner
from digits.data.resumable import ResumableData
from digits.run_info import write_run_files
from digits.sweep.callback import command
from digits.training.finish import TrainingCost, count_parameters
from digits.training.interruption import Interruption
from digits.training.loggers import CsvLog
from digits.training.module import DigitDetector
from digits.training.processes import together
from digits.training.progress import budget
from digits.training.recognizer import DigitRecognizer
from digits.training.saving import WholeCheckpoints
from digits.training.stored import Stored
from digits.training.streams import EpochStreams


@dataclass(frozen=True)
class Run:
    """A training and its settings.

    Attributes:
        cfg: its settings.
        config: the same, resolved, as plain data.
        stored: the run that it resumes; None: a new one.
        interruption: stops it.
    """

    cfg: DictConfig
    config: dict[str, Any]
    stored: Stored | None
    interruption: Interruption

    @property
    def folder(self) -> Path:
        """Where it writes."""
        return Path(self.cfg.run_dir)


def fit(
    run: Run, module: DigitDetector | DigitRecognizer, data: ResumableData, network: str
) -> TrainingCost | None:
    """Print what is trained, and train it, unless the resumed run is trained already.

    Args:
        run: the training.
        module: is trained.
        data: to train on.
        network: its name, for people.

    Returns:
        What the training took; None in all processes but the first.
    """
    cfg, folder, stored, size = run.cfg, run.folder, run.stored, count_parameters(module)
    timer = Timer(cfg.trainer.max_time, verbose=False)  # checkpoints keep it
    details = {
        cfg.task: f"{network}, {size / 1e6:.1f} M parameters",
        "photos": f"{len(data.train):,} train, {len(data.valid):,} valid",
        "budget": budget(cfg.trainer.max_epochs, timer.time_remaining(), cfg.trainer.max_steps),
        "outputs": folder,
    }
    for partial in folder.glob("*.part"):  # of a run that was killed while it wrote
        partial.unlink()
    if stored:
        stored.refuse_other_photos(module.description["photos"])
        details |= stored.details()
        own_command = go_on(stored.path.parent)
        if stored.is_trained(run.config["trainer"], timer.time_remaining(), folder, own_command):
            banner("digits: scoring what is trained already", details)
            return TrainingCost(stored.epochs, stored.seconds / 60, size)
    trainer = _trainer(run, timer, module.metrics)
    if trainer.is_global_zero:
        write_run_files(folder, run.config, command())
        banner("digits: training", details)
    with together(trainer.world_size, folder, go_on(folder)):
        trainer.fit(module, data, ckpt_path=stored.path if stored else None, weights_only=True)
    minutes = timer.time_elapsed() / 60
    return TrainingCost(trainer.current_epoch, minutes, size) if trainer.is_global_zero else None


def _trainer(run: Run, timer: Timer, metrics: tuple[str, ...]) -> L.Trainer:
    cfg, folder, stored = run.cfg, run.folder, run.stored
    steps = stored.steps if stored and stored.lies_in(folder) else None
    if steps is None:
        replace_training(folder)
    loggers = _loggers(cfg.logger, steps)
    kept = kept_callbacks(cfg.trainer, cfg.callbacks, bool(loggers), metrics)
    trainer: L.Trainer = instantiate(
        cfg.trainer,
        callbacks=[*kept, timer, EpochStreams(cfg.seed), run.interruption],
        **{"logger": loggers or False} | switches(cfg.trainer, folder),
        plugins=[*(instantiate(cfg.trainer.plugins) or []), WholeCheckpoints()],
    )
    return trainer


def _loggers(cfg: DictConfig, steps: int | None) -> list[Any]:
    """The loggers of a run; given the steps done, they continue the logs in its folder."""
    loggers = []
    for one in filter(None, cfg.values()):
        purge = {"purge_step": steps} if one._target_.endswith(".TensorBoardLog") else {}
        loggers.append(instantiate(one, **purge))
        if steps is not None and isinstance(loggers[-1], CsvLog):
            loggers[-1].go_on(steps)
    return loggers
