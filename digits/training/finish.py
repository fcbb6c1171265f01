"""What surrounds a fit: checks before it, the final scores after it."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from PIL import Image
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from digits import checkpoint
from digits.console import console, result_table
from digits.errors import DigitsError
from digits.inference.detect import choose_device, predict
from digits.inference.report import Report, with_progress
from digits.io import write_json


def refuse_bad_checkpoint(ckpt_path: str | None) -> None:
    """Refuse a run that cannot be resumed.

    Raises:
        DigitsError: missing, not ours, or without the state of the optimizer.
    """
    if ckpt_path is None:
        return
    if "optimizer_states" not in checkpoint.load(Path(ckpt_path)):
        raise DigitsError(
            f"ckpt_path={ckpt_path}: holds no optimizer (best.ckpt is stripped when a run ends); "
            "resume from last.ckpt."
        )


def fit(
    trainer: L.Trainer,
    module: L.LightningModule,
    data: L.LightningDataModule,
    ckpt_path: str | None,
) -> dict[str, float]:
    """Train; returns what that took: epochs begun, minutes, and parameters of the model."""
    start = time.monotonic()
    trainer.fit(module, data, ckpt_path=ckpt_path, weights_only=True)
    return {
        "epochs": trainer.current_epoch,
        "minutes": (time.monotonic() - start) / 60,
        "parameters": parameters(module),
    }


def parameters(module: nn.Module) -> int:
    """How many numbers a network holds."""
    return sum(p.numel() for p in module.parameters())


def score_checkpoint(
    path: Path,
    spent: dict[str, float],
    valid: Any,
    map_backend: str,
    batch_size: int,
    num_workers: int | None,
) -> tuple[dict[str, float], dict[str, Path]]:
    """Fit the reader of a finished checkpoint to valid and score both there, by cross-fitting
    whatever was fitted; store reader and scores in the checkpoint, and the scores beside it.

    Args:
        path: of the checkpoint.
        spent: what the training took, from `fit`; stored with the scores.
        valid: the data set.
        map_backend: of `digits.evaluation.Evaluation`.
        batch_size: photos at once.
        num_workers: loading processes.

    Returns:
        The figures by name, and the paths of the outputs by name.
    """
    loaded = checkpoint.load(path)
    model, device = checkpoint.rebuild(loaded), choose_device()
    report = Report(checkpoint.rebuild_reader(loaded), valid.labelled, map_backend)
    found = predict(model, valid, device, batch_size, num_workers)
    for record, target, photo in with_progress(found, len(valid), "valid"):
        report.add(record, target, photo)
    report.fit()
    figures = report.figures()
    reader, refine = report.reader, figures.get("map_refined", 0) > figures.get("map", 0)
    console.print(
        f"reading: {reader.description}; pred.json: boxes {'refined' if refine else 'as found'}"
    )
    folder = path.parent
    metrics = report.summary(figures) | spent
    checkpoint.finish(path, metrics, reader.fitted, refine)
    if path.stem != "best":
        return figures, {"checkpoint": path}
    write_json(folder / "metrics.json", metrics)
    pictures = report.save_pictures(folder / "valid.png", folder / "confidence.png")
    _to_tensorboard(folder, figures, pictures)
    paths = {
        "checkpoint": path,
        "to resume": folder / "last.ckpt",
        "metrics": folder / "metrics.json",
    }
    return figures, paths | pictures | {"curves": folder}


def finish_run(folder: Path, *scoring: Any) -> dict[str, float] | None:
    """Score and finish the two checkpoints of a run, and show the table of its best.

    Args:
        folder: of the run.
        scoring: further arguments of `score_checkpoint`.

    Returns:
        The figures of best.ckpt; None where a run kept none.
    """
    best, number = folder / "best.ckpt", folder / "best_number.ckpt"
    if not best.is_file():
        return None
    figures, paths = score_checkpoint(best, *scoring)
    if number.is_file():
        paths["for numbers"] = number
        if checkpoint.load(number)["global_step"] == checkpoint.load(best)["global_step"]:
            partial = number.with_name(number.name + ".part")
            shutil.copyfile(best, partial)
            os.replace(partial, number)
        else:
            other, _ = score_checkpoint(number, *scoring)
            console.print(
                f"best_number.ckpt, another epoch: mAP {other['map']:.3f}, number accuracy "
                f"{other['number_accuracy']:.3f}"
            )
    result_table("best.ckpt on valid", figures, paths, then=f"python predict.py ckpt={best}")
    return figures


def _to_tensorboard(folder: Path, figures: dict[str, float], pictures: dict[str, Path]) -> None:
    """Add the final figures and pictures to the events of the run, where it writes any."""
    if not any(folder.glob("events.out.tfevents.*")):
        return
    with SummaryWriter(str(folder)) as writer:
        for name, value in figures.items():
            writer.add_scalar(f"final/{name}", value)
        for name, path in pictures.items():
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            writer.add_image(f"final/{name}", pixels, dataformats="HWC")
