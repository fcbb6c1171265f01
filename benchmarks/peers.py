"""What a user would pick instead: the same photos read by Tesseract and by RapidOCR.

python -m benchmarks.peers --data DIR [--ckpt PATH] [--only TOOL ...]
It wants `pip install -e '.[peers]'` and, for Tesseract, its English model (Debian: tesseract-ocr).
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.progress import track
from rich.table import Table
from torch import Tensor

import digits
from benchmarks.figures import origin
from benchmarks.tools import TOOLS, Tool, digits_alone
from digits.console import console
from digits.data.coco import CocoDigits
from digits.ending import one_line_errors
from digits.evaluation.numbers import number_figures
from digits.io import write_json
from digits.reading.crossfit import bootstrap_interval, readings_of
from digits.types import Target, target_number

OURS = "digits"


class Row(NamedTuple):
    """One line of the table."""

    tool: str
    setting: str
    number_accuracy: float
    low: float
    """The ends of the accuracy's 95 % interval over photos."""
    high: float
    digit_error_rate: float
    milliseconds: float
    """Per photo, one photo at a time, decoding of the file left out."""

    def cells(self) -> tuple[str, ...]:
        return (
            self.tool,
            self.setting,
            f"{self.number_accuracy:.3f} ({self.low:.2f}-{self.high:.2f})",
            f"{self.digit_error_rate:.3f}",
            f"{self.milliseconds:.1f}",
        )


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    """Read all photos with every tool and setting, then show the best setting of each."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Numbers read by us and by others: accuracy and time on the same photos.",
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="data set in the course's layout")
    add("--split", default="valid", help="a labelled one")
    add("--ckpt", default="small", help="ours: a name of what ships, or a path")
    add("--only", nargs="+", choices=[OURS, *TOOLS], default=[OURS, *TOOLS], help="some tools")
    add("--out", type=Path, default=Path("outputs/peers.json"), help="where figures are saved")
    chosen = parser.parse_args(arguments)
    start = origin()
    data = CocoDigits(chosen.data / chosen.split, chosen.data / f"{chosen.split}.json")
    rows = []
    for row in _rows(chosen, data):
        console.print("  ".join(row.cells()), markup=False)
        rows.append(row)
    write_json(chosen.out, start | {"photos": len(data), "rows": [r._asdict() for r in rows]})
    table = Table(title=f"{len(data)} photos, each tool at its best setting", title_justify="left")
    for name in ("tool", "setting", "number accuracy (95 %)", "digit error rate", "ms per photo"):
        table.add_column(name, justify="left" if name in ("tool", "setting") else "right")
    for row in best(rows):
        table.add_row(*row.cells())
    console.print(table)
    console.print(f"saved: {chosen.out}", markup=False)


def _rows(chosen: argparse.Namespace, data: CocoDigits) -> Iterator[Row]:
    if OURS in chosen.only:
        yield read_by_us(chosen.ckpt, data)
    for name in TOOLS:
        if name in chosen.only:
            for tool in TOOLS[name]():
                yield read_by(tool, data)


def best(rows: list[Row]) -> list[Row]:
    """The setting of each tool that reads most numbers; of equals the fastest."""
    kept: dict[str, Row] = {}
    for row in sorted(rows, key=lambda r: (-r.number_accuracy, r.milliseconds)):
        kept.setdefault(row.tool, row)
    return list(kept.values())


def read_by(tool: Tool, data: CocoDigits) -> Row:
    """Another tool, photo by photo; the first is read once more before, to warm up."""
    preds, targets, seconds = [], [], 0.0
    tool.read(_array(data[0][0]))
    for index in track(range(len(data)), description=tool.name, console=console, transient=True):
        photo, target = data[index]
        pixels = _array(photo)
        begin = time.perf_counter()
        text = tool.read(pixels)
        seconds += time.perf_counter() - begin
        preds.append(digits_alone(text))
        targets.append(target)
    return _row(tool.name, tool.setting, preds, targets, seconds)


def read_by_us(ckpt: str, data: CocoDigits) -> Row:
    """A checkpoint, photo by photo; cross-fitted where these photos calibrated its reading."""
    ours = digits.load(ckpt, device="cpu")
    detections, targets, seconds = [], [], 0.0
    ours.read(data[0][0])
    for index in track(range(len(data)), description=OURS, console=console, transient=True):
        photo, target = data[index]
        begin = time.perf_counter()
        detections += ours.detect([photo])
        ours.reader.read(detections[-1])
        seconds += time.perf_counter() - begin
        targets.append(target)
    readings = readings_of(ours.reader, detections, targets)
    return _row(OURS, ckpt, [r.number for r in readings], targets, seconds)


def _row(tool: str, setting: str, preds: list[str], targets: list[Target], seconds: float) -> Row:
    truths = [target_number(target) for target in targets]
    scores = number_figures(preds, truths)
    right = np.array([pred == truth for pred, truth in zip(preds, truths, strict=True)])
    return Row(
        tool,
        setting,
        *(scores["number_accuracy"], *bootstrap_interval(right)),
        scores["digit_error_rate"],
        seconds / len(targets) * 1000,
    )


def _array(photo: Tensor) -> np.ndarray:
    return photo.permute(1, 2, 0).contiguous().numpy()


if __name__ == "__main__":
    main()
