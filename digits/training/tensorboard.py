"""What TensorBoard shows: curves under `train/` and `val/`, photos, the final figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from digits import outputs
from digits.evaluation.pictures import Picture, draw_sheet, save_image
from digits.types import target_number

FINAL = "val_best"  # sorts behind train/ and val/
_COMPARED = ("map", "number_accuracy", "coverage_at_98", "digit_error_rate", "minutes")
_SETTINGS = ("model", "optimizer", "scheduler", "augmentation", "data", "batch_size", "seed",
             "backbone_lr_factor")  # fmt: skip
_BUDGET = ("max_epochs", "max_time", "limit_train_batches", "precision")


class TensorBoardLog(TensorBoardLogger):
    """Lightning's logger, with the epoch among the curves of the training."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        named = {("train/epoch" if k == "epoch" else k): v for k, v in metrics.items()}
        super().log_metrics(named, step)


class LogSettings(Callback):
    """Tells a run's settings to loggers that compare runs by them; TensorBoard gets them last."""

    @rank_zero_only
    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        description: Any = pl_module.description
        for logger in trainer.loggers:
            if not isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(settings_of(description["config"]))


class AugmentedPictures(Callback):
    """Shows the first training photos of a run as the network gets them, with their true boxes.

    Args:
        folder: of the run, for augmented.png.
        photos: how many.
    """

    def __init__(self, folder: str | Path, photos: int = 24) -> None:
        self.folder, self.photos = Path(folder), photos
        self._pictures: list[Picture] = []
        self._shown = False

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._shown or not trainer.is_global_zero:
            return
        for photo, target in zip(*batch, strict=True):
            number, size = target_number(target), (photo.shape[1], photo.shape[2])
            boxes, labels = target["boxes"].cpu(), target["labels"].cpu()
            self._pictures.append(Picture(photo.cpu(), size, boxes, labels, number))
        if len(self._pictures) >= self.photos:
            self._show(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._pictures and not self._shown:
            self._show(trainer)

    def _show(self, trainer: L.Trainer) -> None:
        sheet = draw_sheet(self._pictures[: self.photos])
        save_image(self.folder / outputs.AUGMENTED, sheet)
        add_picture(trainer, "train/augmented", sheet)
        self._shown, self._pictures = True, []


def add_picture(trainer: L.Trainer, tag: str, picture: Image.Image) -> None:
    """Add a picture to TensorBoard, where the run writes to it."""
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            pixels = np.asarray(picture)
            logger.experiment.add_image(tag, pixels, trainer.global_step, dataformats="HWC")


def settings_of(config: Mapping[str, Any]) -> dict[str, str | float]:
    """The settings that runs are compared by, flat; classes by their names alone."""
    trainer = config.get("trainer", {})
    chosen = {key: config[key] for key in _SETTINGS if key in config}
    chosen["trainer"] = {key: trainer[key] for key in _BUDGET if key in trainer}
    return dict(_flat(chosen))


def add_final(
    folder: Path,
    config: Mapping[str, Any],
    figures: Mapping[str, float],
    pictures: Mapping[str, Path],
) -> None:
    """Add the final figures and pictures to the events of a run, where it writes any.

    A few of them with the settings, for the tab HPARAMS; all of them as one table.
    """
    if not any(folder.glob("events.out.tfevents.*")):
        return
    compared = {f"{FINAL}/{name}": figures[name] for name in _COMPARED if name in figures}
    rows = [f"| {name} | {value:.4f} |" for name, value in figures.items()]
    with SummaryWriter(str(folder)) as writer:
        writer.add_hparams(settings_of(config), compared, run_name=".")
        writer.add_text(f"{FINAL}/figures", "\n".join(["| figure | value |", "|---|---|", *rows]))
        for name, path in pictures.items():
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            writer.add_image(f"{FINAL}/{name}", pixels, dataformats="HWC")


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str | float]]:
    pairs: list[tuple[str, str | float]] = []
    for key, value in values.items():
        name = prefix + key
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{name}.")
        elif key == "_target_":
            pairs.append((prefix.rstrip("."), str(value).rpartition(".")[2]))
        elif not key.startswith("_"):
            pairs.append((name, value if isinstance(value, bool | int | float) else str(value)))
    return pairs
