"""Refit a finished checkpoint's calibrated reader to its detections on valid.

python -m digits.calibrate best.ckpt detections.json --labels valid.json

For checkpoints that were trained with `reading=threshold`, or that are to be read at another size:
`--inference min_size=72` keeps in the checkpoint what `inference.min_size=72` was for predict.py.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from digits import checkpoint
from digits.console import console, result_table
from digits.detections import read_detections
from digits.ending import one_line_errors
from digits.errors import DigitsError
from digits.inference.report import Report
from digits.inference.source import Item, Readers
from digits.reading import CalibratedReader
from digits.reading.labels import read_targets_of


@one_line_errors
def main() -> None:
    """Fit, score by cross-fitting, and store both in the checkpoint."""
    parser = argparse.ArgumentParser(
        prog="python -m digits.calibrate", description="Fit the reading of a checkpoint anew."
    )
    parser.add_argument("checkpoint", type=Path, help="best.ckpt of train.py; rewritten")
    parser.add_argument(
        "detections", type=Path, help="detections.json that predict.py wrote with it on valid"
    )
    parser.add_argument("--labels", type=Path, required=True, help="COCO JSON of valid")
    parser.add_argument("--inference", nargs="*", action="extend", default=[], metavar="KEY=VALUE",
                        help="what inference.KEY=VALUE was for predict.py; kept")  # fmt: skip
    options = parser.parse_args()

    loaded = checkpoint.load(options.checkpoint)
    inference = dict(_pair(item) for item in options.inference)
    header, records = read_detections(options.detections)
    wanted = loaded.header(inference)
    for key, what in (("weights_sha256", "weights"), ("config_digest", "settings")):
        if header.get(key) != wanted[key]:
            raise DigitsError(
                f"{options.detections}: made with other {what} than those of "
                f"{options.checkpoint}; run predict.py with it on valid, and give here as "
                "--inference KEY=VALUE what was inference.KEY=VALUE there."
            )
    targets = read_targets_of(records, options.labels)
    unfitted = CalibratedReader()
    report = Report(Readers(unfitted, unfitted, refine=False), labelled=True)
    for record, target in zip(records, targets, strict=True):
        report.add(Item(record, record, target), unfitted.read(record))
    report.fit()
    reader, refine = report.readers.numbers, report.readers.refine
    if reader.state is None:
        raise DigitsError(
            f"{options.detections}: {len(records)} photos; expected at least "
            f"{unfitted.min_photos} with boxes to fit a reader to."
        )
    scores = report.score()
    metrics = loaded.description.get("metrics", {}) | scores.summary()
    checkpoint.finalize(loaded, metrics, reader.state, refine, inference)
    result_table("on valid, cross-fitted", scores.figures, {"checkpoint": options.checkpoint})
    console.print(f"reading: {reader.description}")


def _pair(item: str) -> tuple[str, Any]:
    key, _, value = item.partition("=")
    try:
        return key, json.loads(value)
    except ValueError as error:
        raise DigitsError(
            f"--inference {item}: expected KEY=VALUE, such as min_size=72 or zoom=null."
        ) from error


if __name__ == "__main__":
    main()
