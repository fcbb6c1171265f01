"""Fit the calibrated reading of a finished checkpoint anew, from its detections on valid.

python -m digits.calibrate best.ckpt detections.json --labels valid.json

For checkpoints that were trained with `reading=threshold`, or before there was any calibration.
"""

import argparse
from pathlib import Path

from digits import checkpoint
from digits.console import console, one_line_errors, result_table
from digits.errors import DigitsError
from digits.reading import CalibratedReader
from digits.reading.labels import read_targets_of
from digits.report import Report
from digits.structures import read_detections


@one_line_errors
def main() -> None:
    """Fit, score by cross-fitting, and store both in the checkpoint."""
    parser = argparse.ArgumentParser(
        prog="python -m digits.calibrate", description="Fit the reading of a checkpoint anew."
    )
    parser.add_argument("checkpoint", type=Path, help="best.ckpt of train.py; rewritten")
    parser.add_argument("detections", type=Path, help="what predict.py found with it on valid")
    parser.add_argument("--labels", type=Path, required=True, help="COCO JSON of valid")
    options = parser.parse_args()

    description = checkpoint.load(options.checkpoint)[checkpoint.KEY]
    _, records = read_detections(options.detections)
    targets = read_targets_of(records, options.labels)
    unfitted = CalibratedReader()
    report = Report(unfitted, labelled=True, backend="faster_coco_eval")
    for record, target in zip(records, targets, strict=True):
        report.add(record, target)
    report.fit()
    reader = report.reader
    if reader.fitted is None:
        raise DigitsError(
            f"{options.detections}: {len(records)} photos; expected at least "
            f"{unfitted.min_photos} with boxes to fit a reader to."
        )
    figures = report.figures()
    del figures["photos_per_second"]  # of reading a file, not of the detector
    metrics = description.get("metrics", {}) | report.summary(figures)
    refine = figures["map_refined"] > figures["map"]
    checkpoint.finish(options.checkpoint, metrics, reader.fitted, refine)
    result_table("on valid, cross-fitted", figures, {"checkpoint": options.checkpoint})
    console.print(f"reading: {reader.description}")


if __name__ == "__main__":
    main()
