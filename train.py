"""Train a detector: python train.py [group=option ...] [key=value ...]; --help lists them."""

from pathlib import Path

import hydra
import lightning as L
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from digits import checkpoint
from digits.console import banner, one_line_errors, quiet
from digits.data.datamodule import DigitsDataModule
from digits.sweep.callback import command, job_of_sweep
from digits.training.finish import finish_run, fit, parameters, refuse_bad_checkpoint
from digits.training.module import DigitDetector
from digits.training.run_info import versions, write_run_files


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
@one_line_errors
@job_of_sweep
def main(cfg: DictConfig) -> float | None:
    """Compose, fit, score the best checkpoint on valid; returns its mAP, for sweepers."""
    quiet()
    config = OmegaConf.to_container(cfg, resolve=True)
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
                "detector": f"{name}, {parameters(module) / 1e6:.1f} M parameters",
                "photos": f"{len(data.train)} train, {len(data.valid)} valid",
                "budget": f"{epochs} epochs, time {time}",
                "outputs": run_dir,
            },
        )
    spent = fit(trainer, module, data, cfg.ckpt_path)

    if not trainer.is_global_zero:
        return None
    figures = finish_run(
        run_dir, spent, data.valid, cfg.map_backend, cfg.batch_size, cfg.num_workers
    )
    return figures["map"] if figures else None


if __name__ == "__main__":
    main()
