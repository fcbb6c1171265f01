"""Fit the calibrated reading of a finished checkpoint anew, from its detections on valid.

python -m digits.calibrate best.ckpt detections.json --labels valid.json

For checkpoints that were trained with `reading=threshold`, or before there was any calibration.
"""

import argparse
from pathlib import Path

from digits import checkpoint
from digits.console import console, one_line_errors, result_table
from digits.errors import DigitsError
from digits.evaluation import Evaluation
from digits.reading import CalibratedReader
from digits.reading.crossfit import cross_fit
from digits.reading.labels import read_targets_of
from digits.reading.refine import refine
from digits.scoring import number_scores
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
    reader = CalibratedReader().fitted_to(records, targets)
    if reader.fitted is None:
        raise DigitsError(
            f"{options.detections}: {len(records)} photos; expected at least {reader.min_photos} "
            "with boxes to fit a reader to."
        )
    readings = cross_fit(reader, records, targets)
    refined = [
        record | {"boxes": refine(record, reading.indices)}
        for record, reading in zip(records, readings, strict=True)
    ]
    scores = number_scores(readings, targets)
    for name, boxes in (("map", records), ("map_refined", refined)):
        evaluation = Evaluation(None)
        evaluation.update(boxes, targets)
        scores[name] = evaluation.compute()["map"]
    metrics = description.get("metrics", {}) | scores
    checkpoint.finish(
        options.checkpoint, metrics, reader.fitted, scores["map_refined"] > scores["map"]
    )
    result_table("on valid, cross-fitted", scores, {"checkpoint": options.checkpoint})
    console.print(f"reading: {reader.description}")


if __name__ == "__main__":
    main()
