"""Train a detector or a recogniser: compose, fit, score."""

from pathlib import Path
from typing import Any, cast

import hydra
import lightning as L
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from digits import checkpoint
from digits.console import banner, one_line_errors, quiet
from digits.data.datamodule import DigitsDataModule
from digits.inference.detect import choose_device
from digits.inference.options import InferenceOptions
from digits.recognition.crops import CropOptions
from digits.recognition.data import RowJitter
from digits.recognition.datamodule import RowsDataModule
from digits.resources import CONF
from digits.run_info import versions, write_run_files
from digits.sweep.callback import command, job_of_sweep
from digits.training.finish import (
    TrainingCost,
    count_parameters,
    finish_recognizer,
    finish_run,
    fit,
    refuse_bad_checkpoint,
)
from digits.training.module import DigitDetector
from digits.training.recognizer import DigitRecognizer


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
@one_line_errors
@job_of_sweep
def main(cfg: DictConfig) -> float | None:
    """Train, and score the best checkpoint on valid; returns its mAP, for sweepers."""
    quiet()
    config = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    refuse_bad_checkpoint(cfg.ckpt_path)

    if cfg.task == "recognizer":
        return _train_recognizer(cfg, config)
    data = DigitsDataModule(
        instantiate(cfg.data), instantiate(cfg.augmentation), cfg.batch_size, cfg.num_workers
    )
    data.setup("fit")  # bad data is refused before anything is written
    module = DigitDetector(
        model=instantiate(cfg.model),
        optimizer=instantiate(cfg.optimizer),
        schedule=instantiate(cfg.scheduler),
        reader=instantiate(cfg.reading),
        backbone_lr_factor=cfg.backbone_lr_factor,
        map_backend=cfg.map_backend,
        description=checkpoint.describe(config, versions()),
    )
    trainer, cost = _fit(cfg, config, module, data, cfg.backbone._target_)
    if not trainer.is_global_zero:
        return None
    inference = InferenceOptions(choose_device(), cfg.batch_size, cfg.num_workers)
    figures = finish_run(Path(cfg.run_dir), cost, data.valid, cfg.map_backend, inference)
    return figures["map"] if figures else None


def _train_recognizer(cfg: DictConfig, config: dict[str, Any]) -> float | None:
    parts = config["recognizer"]
    data = RowsDataModule(
        instantiate(cfg.data),
        CropOptions(**parts["crops"]),
        RowJitter(**parts["jitter"]),
        instantiate(cfg.augmentation),
        cfg.batch_size,
        cfg.num_workers,
    )
    data.setup("fit")
    module = DigitRecognizer(
        model=instantiate(cfg.recognizer.network),
        optimizer=instantiate(cfg.optimizer),
        schedule=instantiate(cfg.scheduler),
        description=checkpoint.describe(config, versions()),
    )
    trainer, cost = _fit(cfg, config, module, data, cfg.recognizer.network._target_)
    if not trainer.is_global_zero:
        return None
    return finish_recognizer(Path(cfg.run_dir), cost)


def _fit(
    cfg: DictConfig,
    config: dict[str, Any],
    module: L.LightningModule,
    data: DigitsDataModule | RowsDataModule,
    network: str,
) -> tuple[L.Trainer, TrainingCost]:
    """Say what is trained, and train it."""
    trainer: L.Trainer = instantiate(
        cfg.trainer,
        callbacks=[c for c in instantiate(cfg.callbacks).values() if c],
        logger=[x for x in instantiate(cfg.logger).values() if x],
    )
    if trainer.is_global_zero:
        run_dir = Path(cfg.run_dir)
        write_run_files(run_dir, config, command())
        name, size = network.rpartition(".")[2], count_parameters(module) / 1e6
        epochs, time = cfg.trainer.max_epochs, cfg.trainer.max_time or "unlimited"
        banner(
            "digits: training",
            {
                cfg.task: f"{name}, {size:.1f} M parameters",
                "photos": f"{len(data.train)} train, {len(data.valid)} valid",
                "budget": f"{epochs} epochs, time {time}",
                "outputs": run_dir,
            },
        )
    return trainer, fit(trainer, module, data, cfg.ckpt_path)
