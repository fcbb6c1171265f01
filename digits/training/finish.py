"""Finish a run: score its checkpoints on valid, fit their readers, write the files."""

import shlex
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import nn

from digits import checkpoint, checkpoint_file, outputs
from digits.checkpoint import Checkpoint
from digits.console import console, result_table, with_progress
from digits.data.command_words import data_words
from digits.inference.detect import detect
from digits.inference.options import InferenceOptions
from digits.inference.report import Report
from digits.inference.scores import Scores
from digits.inference.source import Item, Readers, opener
from digits.io import partial_path, write_json
from digits.recognition.checkpoint import finalize_recognizer
from digits.report.writing import write_reports
from digits.training.tensorboard import add_final
from digits.types import PhotoDataset


@dataclass(frozen=True)
class TrainingCost:
    """What a training took, with the parts before it was resumed: epochs, minutes; and the
    parameters of the model."""

    epochs: int
    minutes: float
    parameters: int


def count_parameters(module: nn.Module) -> int:
    """How many numbers a network holds."""
    return sum(p.numel() for p in module.parameters())


def score_checkpoint(
    loaded: Checkpoint,
    cost: TrainingCost,
    valid: PhotoDataset,
    map_backend: str,
    inference: InferenceOptions,
) -> Scores:
    """Fit the reader of a finished checkpoint to valid and score both there, by cross-fitting
    whatever was fitted; store reader and scores in the checkpoint.

    Args:
        loaded: the checkpoint; its file is rewritten.
        cost: of the training; stored with the scores.
        valid: the data set.
        map_backend: of `digits.evaluation.evaluator.Evaluator`.
        inference: how the detector runs.
    """
    model, reader = loaded.rebuild(trust=inference.trust), loaded.rebuild_reader()
    report = Report(Readers(reader, reader, refine=False), valid.labelled, map_backend)
    start = time.perf_counter()
    for record, target, photo, _ in with_progress(
        detect(model, valid, inference), len(valid), "valid"
    ):
        report.add(Item(record, record, target, photo), reader.read(record))
    seconds = time.perf_counter() - start
    report.fit()
    with console.status("valid: scoring"):
        scores = report.score(seconds)
    reader, refine = report.readers.numbers, report.readers.refine
    console.print(
        f"reading: {reader.description}; pred.json: boxes {'refined' if refine else 'as detected'}"
    )
    checkpoint.finalize(loaded, scores.summary() | asdict(cost), reader.state, refine)
    return scores


def finish_run(
    folder: Path,
    cost: TrainingCost,
    valid: PhotoDataset,
    map_backend: str,
    inference: InferenceOptions,
) -> dict[str, float] | None:
    """Score and finalize the two checkpoints of a run, and show the table of its best.

    Args:
        folder: of the run.
        cost, valid, map_backend, inference: as in `score_checkpoint`.

    Returns:
        The figures of best.ckpt; None where a run kept none.
    """
    best, number = folder / outputs.BEST, folder / outputs.BEST_NUMBER
    if not best.is_file():
        console.print("No best.ckpt to score: there was no validation, or no checkpoint was kept.")
        return None
    loaded = checkpoint.load(best)
    scores = score_checkpoint(loaded, cost, valid, map_backend, inference)
    metrics = folder / outputs.METRICS
    write_json(metrics, scores.summary() | asdict(cost))
    pictures = scores.save_pictures(folder / outputs.VALID, folder / outputs.CONFIDENCE)
    scores.save_gallery(folder / outputs.GALLERY, opener(valid))
    add_final(folder, loaded.config, scores.figures | {"minutes": cost.minutes}, pictures)
    paths = {"checkpoint": best, "to resume": folder / outputs.LAST, "metrics": metrics} | pictures
    if number.is_file():
        paths["for numbers"] = number
        other = checkpoint.load(number)
        if other.content["global_step"] == loaded.content["global_step"]:
            with partial_path(number) as partial:
                shutil.copyfile(best, partial)
        else:
            others = score_checkpoint(other, cost, valid, map_backend, inference).figures
            console.print(
                f"best_number.ckpt, another epoch: mAP {others['map']:.3f}, number accuracy "
                f"{others['number_accuracy']:.3f}"
            )
    reads = data_words(loaded.config.get("data", {}))
    then = f"python predict.py ckpt={shlex.quote(str(best))} {reads}"
    paths |= write_reports(folder)
    result_table("best.ckpt on valid", scores.figures, paths, then)
    return scores.figures


def finish_recognizer(folder: Path, cost: TrainingCost) -> float | None:
    """Strip the best checkpoint of a recogniser's run, write its figures, and show them.

    Returns:
        Its number accuracy on labelled extents; None where the run kept no checkpoint.
    """
    best = folder / outputs.BEST
    if not best.is_file():
        return None
    description = checkpoint_file.read(best, "recognizer", dict)[checkpoint_file.KEY]
    kept = description["metrics"]
    figures = {name.removeprefix("val/"): v for name, v in kept.items() if name.startswith("val/")}
    finalize_recognizer(best, figures | asdict(cost))
    write_json(folder / outputs.METRICS, figures | asdict(cost))
    paths = {"checkpoint": best, "to resume": folder / outputs.LAST}
    paths |= {"metrics": folder / outputs.METRICS} | write_reports(folder)
    reads = data_words(description["config"].get("data", {}), "valid")
    then = f"python predict.py recognizer={shlex.quote(str(best))} {reads}"
    result_table("best.ckpt on the labelled rows of valid", figures, paths, then)
    return figures.get("number_accuracy")
