"""One checkpoint to a submission, photo by photo."""

from pathlib import Path
from typing import Any

from digits import checkpoint
from digits.console import banner, result_table
from digits.inference.detect import predict
from digits.inference.report import Report, with_progress
from digits.inference.submission import SubmissionWriter
from digits.io import write_json
from digits.reading.refine import refine

FILES = (
    "submission.zip",
    "pred.json",
    "pred.csv",
    "numbers.csv",
    "detections.json",
    "metrics.json",
)


def submit_one(
    path: Path,
    data: Any,
    source: str,
    folder: Path,
    *,
    inference: dict[str, Any],
    run: dict[str, Any],
    reading: dict[str, Any],
    refined: bool | str,
    min_confidence: float,
    map_backend: str,
) -> float | None:
    """Detect, read and write, in memory that does not grow with the number of photos.

    Args:
        path: of the checkpoint.
        data: the photos.
        source: what they are called.
        folder: for the outputs.
        inference: arguments of the detector to replace.
        run: `device`, `batch_size` and `num_workers` of `digits.prediction.predict`.
        reading: config of the reader.
        refined: whether boxes are refined; `auto`: as valid decided.
        min_confidence: reads at least this sure are accepted.
        map_backend: of `digits.evaluation.Evaluation`.

    Returns:
        mAP where there are labels.
    """
    loaded = checkpoint.load(path)
    model = checkpoint.rebuild(loaded, inference)
    reader = checkpoint.rebuild_reader(loaded, reading)
    refined = checkpoint.refines(loaded, refined)
    facts = {"checkpoint": path, "photos": f"{len(data)} ({source})", "device": run["device"]}
    banner("digits: reading", facts | {"reading": reader.description, "outputs": folder})

    report = Report(reader, data.labelled, map_backend)
    header = checkpoint.header(loaded, path, inference) | {"split": source}
    found = predict(model, data, **run)
    with SubmissionWriter(folder, header, min_confidence) as submission:
        for record, target, photo in with_progress(found, len(data), "reading"):
            read = report.add(record, target, photo)
            boxes = record | {"boxes": refine(record, read.indices)} if refined else None
            submission.add(record, read, boxes)
    figures = report.figures() | {"accepted": submission.accepted}
    write_json(folder / "metrics.json", report.summary(figures))
    paths = {name: folder / name for name in FILES}
    paths |= report.save_pictures(folder / "readings.png", folder / "confidence.png")
    result_table(f"{len(data)} photos ({source})", figures, paths)
    return figures.get("map")
