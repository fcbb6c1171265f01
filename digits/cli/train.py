"""The command train.py: train a detector or a recogniser, and score it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import lightning as L
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from digits import checkpoint_file, fingerprints
from digits.builders import refuse_unreadable
from digits.cli.beside import tell_without_effect
from digits.cli.earlier import replace_training
from digits.cli.folders import refused_leaves_nothing
from digits.cli.holding import held
from digits.cli.resuming import go_on, own_overrides
from digits.cli.settings import check_composed
from digits.cli.trainer import kept_callbacks, switches
from digits.cli.trust import trusted
from digits.console import banner, quiet
from digits.data.datamodule import DigitsDataModule
from digits.inference.detect import choose_device
from digits.inference.options import InferenceOptions
from digits.recognition.crops import CropOptions
from digits.recognition.data import RowJitter
from digits.recognition.datamodule import RowsDataModule
from digits.run_info import versions, write_run_files
from digits.sweep.callback import command, job_of_sweep
from digits.training.finish import TrainingCost, count_parameters, finish_recognizer, finish_run
from digits.training.interruption import Interruption
from digits.training.loggers import CsvLog
from digits.training.module import DigitDetector
from digits.training.processes import together
from digits.training.progress import budget
from digits.training.recognizer import DigitRecognizer
from digits.training.resuming import open_run, training_timer
from digits.training.saving import WholeCheckpoints
from digits.training.stored import Stored
from digits.training.streams import EpochStreams
from digits.types import PhotoDataset


@job_of_sweep
def main(cfg: DictConfig) -> float | None:
    """Train, and score the best checkpoint on valid; returns its mAP, for sweepers."""
    quiet()
    check_composed(cfg, "train")  # a sweeper may have chosen values itself
    config = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
    trust = trusted(config)
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    folder = Path(cfg.run_dir)
    with (
        held(folder),
        refused_leaves_nothing(folder),
        Interruption(folder, go_on(folder)) as interruption,
    ):
        run = open_run(config["ckpt_path"], config)
        tell_without_effect(HydraConfig.get().overrides.task, cfg.task)
        if cfg.task == "recognizer":
            return _train_recognizer(cfg, config, run, interruption)
        refuse_unreadable(config, trust)
        return _train_detector(cfg, config, run, interruption, trust)


def _train_detector(
    cfg: DictConfig,
    config: dict[str, Any],
    run: Stored | None,
    interruption: Interruption,
    trust: Sequence[str],
) -> float | None:
    data = DigitsDataModule(
        instantiate(cfg.data),
        instantiate(cfg.augmentation),
        cfg.batch_size,
        cfg.num_workers,
        cfg.seed,
    )
    data.setup("fit")  # bad data is refused before anything is written
    module = DigitDetector(
        model=instantiate(cfg.model),
        optimizer=instantiate(cfg.optimizer),
        schedule=instantiate(cfg.scheduler),
        reader=instantiate(cfg.reading),
        backbone_lr_factor=cfg.backbone_lr_factor,
        map_backend=cfg.map_backend,
        description=_description(config, data.train),
    )
    backbone = HydraConfig.get().runtime.choices["backbone"]
    cost = _fit(cfg, config, module, data, backbone, run, interruption)
    if cost is None:
        return None
    inference = InferenceOptions(choose_device(), cfg.batch_size, cfg.num_workers, trust=trust)
    figures = finish_run(Path(cfg.run_dir), cost, data.valid, cfg.map_backend, inference)
    return figures["map"] if figures else None


def _train_recognizer(
    cfg: DictConfig, config: dict[str, Any], run: Stored | None, interruption: Interruption
) -> float | None:
    parts = config["recognizer"]
    data = RowsDataModule(
        instantiate(cfg.data),
        CropOptions(**parts["crops"]),
        RowJitter(**parts["jitter"]),
        instantiate(cfg.augmentation),
        cfg.batch_size,
        cfg.num_workers,
        cfg.seed,
    )
    data.setup("fit")
    module = DigitRecognizer(
        model=instantiate(cfg.recognizer.network),
        optimizer=instantiate(cfg.optimizer),
        schedule=instantiate(cfg.scheduler),
        description=_description(config, data.train.photos),
    )
    network = cfg.recognizer.network._target_.rpartition(".")[2]
    cost = _fit(cfg, config, module, data, network, run, interruption)
    if cost is None:
        return None
    return finish_recognizer(Path(cfg.run_dir), cost)


def _description(config: dict[str, Any], photos: PhotoDataset) -> dict[str, Any]:
    """What a checkpoint of this run holds beside weights."""
    own = {"overrides": own_overrides(), "photos": fingerprints.of_listing(photos)}
    return checkpoint_file.describe(config, versions()) | own


def _fit(
    cfg: DictConfig,
    config: dict[str, Any],
    module: DigitDetector | DigitRecognizer,
    data: DigitsDataModule | RowsDataModule,
    network: str,
    run: Stored | None,
    interruption: Interruption,
) -> TrainingCost | None:
    """Say what is trained, and train it; None in all processes but the first."""
    folder, size = Path(cfg.run_dir), count_parameters(module)
    timer = training_timer(cfg.trainer.max_time)
    details = {
        cfg.task: f"{network}, {size / 1e6:.1f} M parameters",
        "photos": f"{len(data.train)} train, {len(data.valid)} valid",
        "budget": budget(cfg.trainer.max_epochs, timer.time_remaining(), cfg.trainer.max_steps),
        "outputs": folder,
    }
    for partial in folder.glob("*.part"):  # of a run that was killed while it wrote
        partial.unlink()
    if run:
        run.refuse_other_photos(module.description["photos"])
        details |= run.details()
        if run.is_trained(
            config["trainer"], timer.time_remaining(), folder, go_on(run.path.parent)
        ):
            banner("digits: scoring what is trained already", details)
            return TrainingCost(run.epochs, run.seconds / 60, size)
    steps = run.steps if run and run.lies_in(folder) else None
    own = (timer, EpochStreams(cfg.seed), interruption)
    if steps is None:
        replace_training(folder)
    loggers = _loggers(cfg.logger, steps)
    kept = kept_callbacks(cfg.trainer, cfg.callbacks, bool(loggers), module.metrics)
    trainer: L.Trainer = instantiate(
        cfg.trainer,
        callbacks=[*kept, *own],
        **{"logger": loggers or False} | switches(cfg.trainer, folder),
        plugins=[*(instantiate(cfg.trainer.plugins) or []), WholeCheckpoints()],
    )
    if trainer.is_global_zero:
        write_run_files(folder, config, command())
        banner("digits: training", details)
    with together(trainer.world_size, folder, go_on(folder)):
        trainer.fit(module, data, ckpt_path=run.path if run else None, weights_only=True)
    minutes = timer.time_elapsed() / 60
    return TrainingCost(trainer.current_epoch, minutes, size) if trainer.is_global_zero else None


def _loggers(cfg: DictConfig, steps: int | None) -> list[Any]:
    """The loggers of a run; with steps, they go on with what lies in its folder."""
    loggers = []
    for one in filter(None, cfg.values()):
        purge = {"purge_step": steps} if one._target_.endswith(".TensorBoardLog") else {}
        loggers.append(instantiate(one, **purge))
        if steps is not None and isinstance(loggers[-1], CsvLog):
            loggers[-1].go_on(steps)
    return loggers
