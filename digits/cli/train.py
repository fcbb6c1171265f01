"""The command train.py: train a detector or a recogniser, and score it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from digits import checkpoint_file, fingerprints
from digits.builders import refuse_unreadable
from digits.cli.fitting import Run, fit
from digits.cli.folders import refused_leaves_nothing
from digits.cli.ineffective import tell_of_switches, tell_without_effect
from digits.cli.locking import held
from digits.cli.resuming import go_on, own_overrides
from digits.cli.settings import check_composed
from digits.cli.trainer import refuse_missing_devices
from digits.cli.trust import trusted
from digits.console import quiet
from digits.data.datamodule import DigitsDataModule
from digits.inference.detect import choose_device
from digits.inference.options import InferenceOptions
from digits.recognition.crops import CropOptions
from digits.recognition.data import RowJitter
from digits.recognition.datamodule import RowsDataModule
from digits.run_info import versions
from digits.sweep.callback import job_of_sweep
from digits.training.finish import finish_recognizer, finish_run
from digits.training.interruption import Interruption
from digits.training.module import DigitDetector
from digits.training.recognizer import DigitRecognizer
from digits.training.resuming import open_run
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
        run = Run(cfg, config, open_run(config["ckpt_path"], config), interruption)
        refuse_missing_devices(config["trainer"], torch.cuda.device_count())
        words = HydraConfig.get().overrides.task
        tell_without_effect(words, cfg.task)
        tell_of_switches(words, config["trainer"])
        if cfg.task == "recognizer":
            return _train_recognizer(run)
        refuse_unreadable(config, trust)
        return _train_detector(run, trust)


def _train_detector(run: Run, trust: Sequence[str]) -> float | None:
    cfg = run.cfg
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
        description=_description(run.config, data.train),
    )
    cost = fit(run, module, data, HydraConfig.get().runtime.choices["backbone"])
    if cost is None:
        return None
    inference = InferenceOptions(choose_device(), cfg.batch_size, cfg.num_workers, trust=trust)
    figures = finish_run(run.folder, cost, data.valid, cfg.map_backend, inference)
    return figures["map"] if figures else None


def _train_recognizer(run: Run) -> float | None:
    cfg, parts = run.cfg, run.config["recognizer"]
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
        description=_description(run.config, data.train.photos),
    )
    cost = fit(run, module, data, cfg.recognizer.network._target_.rpartition(".")[2])
    return None if cost is None else finish_recognizer(run.folder, cost)


def _description(config: dict[str, Any], photos: PhotoDataset) -> dict[str, Any]:
    """What a checkpoint of this run holds beside weights."""
    own = {"overrides": own_overrides(), "photos": fingerprints.of_listing(photos)}
    return checkpoint_file.describe(config, versions()) | own
