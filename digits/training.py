"""What surrounds a fit: checks before it, the final scores after it."""

import logging
import warnings
from pathlib import Path
from typing import Any

from digits import checkpoint
from digits.errors import DigitsError
from digits.prediction import choose_device, predict
from digits.report import Report, with_progress
from digits.run import write_json


def quiet() -> None:
    """Silence what tells a user nothing: Lightning's banners, tips and known-harmless warnings."""
    for name in ("lightning.pytorch", "lightning.fabric", "faster_coco_eval"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for pattern in (
        ".*does not have many workers.*",
        ".*exists and is not empty.*",
        ".*The number of training batches.*is smaller than the logging interval.*",
        ".*lr_scheduler.step.*before.*optimizer.step.*",
        ".*LeafSpec.*",
    ):
        warnings.filterwarnings("ignore", pattern)


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


def score_checkpoint(
    path: Path, valid: Any, map_backend: str, batch_size: int, num_workers: int | None
) -> tuple[dict[str, float], dict[str, Path]]:
    """Score a finished checkpoint on valid, and store the scores in it and beside it.

    Returns:
        The figures by name, and the paths of the outputs by name.
    """
    loaded = checkpoint.load(path)
    model, device = checkpoint.rebuild(loaded), choose_device()
    report = Report(checkpoint.rebuild_reader(loaded), valid.labelled, map_backend)
    found = predict(model, valid, device, batch_size, num_workers)
    for record, target, photo in with_progress(found, len(valid), "valid"):
        report.add(record, target, photo)
    figures = report.figures()
    folder = path.parent
    write_json(folder / "metrics.json", figures)
    checkpoint.finish(path, figures)
    picture = report.save_picture(folder / "valid.png")
    paths = {
        "checkpoint": path,
        "to resume": folder / "last.ckpt",
        "metrics": folder / "metrics.json",
    }
    return figures, paths | {"picture": picture, "curves": folder}
