"""Train a detector: compose, fit, score."""

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
from digits.resources import CONF
from digits.sweep.callback import command, job_of_sweep
from digits.training.finish import count_parameters, finish_run, fit, refuse_bad_checkpoint
from digits.training.module import DigitDetector
from digits.training.run_info import versions, write_run_files


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
@one_line_errors
@job_of_sweep
def main(cfg: DictConfig) -> float | None:
    """Train, and score the best checkpoint on valid; returns its mAP, for sweepers."""
    quiet()
    config = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
    run_dir = Path(cfg.run_dir)
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    refuse_bad_checkpoint(cfg.ckpt_path)

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
    trainer: L.Trainer = instantiate(
        cfg.trainer,
        callbacks=[c for c in instantiate(cfg.callbacks).values() if c],
        logger=[x for x in instantiate(cfg.logger).values() if x],
    )
    if trainer.is_global_zero:
        write_run_files(run_dir, config, command())
        name = cfg.backbone._target_.rpartition(".")[2]
        epochs, time = cfg.trainer.max_epochs, cfg.trainer.max_time or "unlimited"
        banner(
            "digits: training",
            {
                "detector": f"{name}, {count_parameters(module) / 1e6:.1f} M parameters",
                "photos": f"{len(data.train)} train, {len(data.valid)} valid",
                "budget": f"{epochs} epochs, time {time}",
                "outputs": run_dir,
            },
        )
    cost = fit(trainer, module, data, cfg.ckpt_path)

    if not trainer.is_global_zero:
        return None
    inference = InferenceOptions(choose_device(), cfg.batch_size, cfg.num_workers)
    figures = finish_run(run_dir, cost, data.valid, cfg.map_backend, inference)
    return figures["map"] if figures else None
