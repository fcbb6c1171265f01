"""How fast, against what: ratios measured in one process, in turn.

python -m benchmarks [--backbones NAME ...] [--only PART] [--data DIR] [--rounds N]
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.detector import detector
from benchmarks.figures import Figure, origin
from benchmarks.pipeline import pipeline
from benchmarks.scoring import scoring
from benchmarks.script import predict_memory, predict_speed, shipped_speed
from benchmarks.settings import train_config
from benchmarks.yolo import yolo
from digits.console import console
from digits.data.coco import CocoDigits
from digits.data.synthetic import write
from digits.ending import one_line_errors
from digits.errors import DigitsError
from digits.inference.detect import choose_device
from digits.io import write_json

PARTS = ("detector", "pipeline", "map", "predict", "shipped", "memory", "yolo")
ASKED_FOR = ("shipped", "memory", "yolo")  # minutes; minutes; an extra
BACKBONES = ("small_fpn", "mobilenet_v3_large_fpn", "resnet50_fpn_v2")


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    """Print each figure as it is found, and save them all."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Speed and memory as ratios, measured in one process and in turn.",
    )
    add = parser.add_argument
    add("--backbones", nargs="+", metavar="NAME", default=BACKBONES, help="of conf/backbone")
    add("--only", choices=PARTS, help="one part; by default all but shipped, memory, yolo")
    add("--data", type=Path, metavar="DIR", help="data set in the course's layout; else synthetic")
    add("--count", type=int, default=1000, help="synthetic photos, if there is no --data")
    add("--ckpt", type=Path, help="for predict.py; else the CPU default, untrained")
    add("--rounds", type=int, default=3, help="medians are of so many; one more warms up")
    add("--batch-size", type=int, default=16, help="of our detectors")
    add("--device", default="cpu", help="of the detectors: cpu, cuda, auto")
    add("--bf16", action="store_true", help="our detectors under bfloat16 autocast")
    add("--out", type=Path, default=Path("outputs/benchmark.json"), help="where figures are saved")
    chosen = parser.parse_args(arguments)
    _check(chosen)

    start = origin()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for figure in _figures(chosen, Path(folder)):
            console.print(figure.line(), markup=False)
            found.append(figure._asdict())
    write_json(chosen.out, start | {"figures": found})
    console.print(f"saved: {chosen.out}", markup=False)


def _check(chosen: argparse.Namespace) -> None:
    for name in ("rounds", "count", "batch_size"):
        if getattr(chosen, name) < 1:
            raise DigitsError(f"--{name.replace('_', '-')}: expected 1 or more.")
    for backbone in chosen.backbones if chosen.only in (None, "detector") else ():
        train_config(f"backbone={backbone}")
    if chosen.data and not (chosen.data / "train.json").is_file():
        raise DigitsError(f"--data {chosen.data}: expected train/ and train.json in it.")


def _figures(chosen: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    """Every part that was asked for."""
    parts = [chosen.only] if chosen.only else [part for part in PARTS if part not in ASKED_FOR]
    device = choose_device(chosen.device)
    root = chosen.data
    if root is None and parts != ["map"]:
        root = folder / "data"
        write(root, chosen.count)
    if "detector" in parts:
        data = CocoDigits(root / "train", root / "train.json")
        photos = [data[i] for i in range(min(len(data), chosen.batch_size * (chosen.rounds + 1)))]
        for backbone in chosen.backbones:
            yield from detector(
                backbone, photos, chosen.rounds, chosen.batch_size, device, chosen.bf16
            )
    if "yolo" in parts:
        data = CocoDigits(root / "train", root / "train.json")
        photos = [data[i] for i in range(min(len(data), 32 * (chosen.rounds + 1)))]
        yield from yolo(photos, chosen.rounds, device, chosen.bf16)
    if "pipeline" in parts:
        yield from pipeline(root, chosen.rounds)
    if "map" in parts:
        yield from scoring(chosen.rounds)
    if "predict" in parts:
        yield from predict_speed(root / "train", chosen.rounds, chosen.ckpt)
    if "shipped" in parts:
        yield from shipped_speed(root / "valid", chosen.rounds)
    if "memory" in parts:
        yield from predict_memory(root / "train", ckpt=chosen.ckpt)


if __name__ == "__main__":
    main()
