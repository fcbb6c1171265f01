"""What a GPU does with the project, in one table within minutes; made to be tried on a CPU first.

python -m benchmarks.gpu [--tiny] [--device cpu]
PYTHONPATH of a checkout is enough: the package need not be installed.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch

from benchmarks.figures import Figure, in_turn, origin
from benchmarks.network import Photo, TimedNetwork
from benchmarks.reading import reading
from benchmarks.settings import build, train_config
from digits.console import console
from digits.data.synthetic import SyntheticDigits
from digits.ending import one_line_errors
from digits.inference.detect import choose_device
from digits.io import write_json


class Row(NamedTuple):
    """A network at work."""

    what: str
    overrides: tuple[str, ...]
    """Of train.py."""
    batch_size: int
    training: bool


_R50, _WHOLE = ("backbone=resnet50_fpn_v2",), ("experiment=best", "backbone.stages=3")
ROWS = (
    Row("training, experiment=report", ("experiment=report",), 16, True),
    Row("training, backbone=resnet50_fpn_v2", _R50, 64, True),
    Row("training, experiment=best backbone.stages=3", _WHOLE, 64, True),
    Row("training, the CPU default", (), 64, True),
    Row("detection, backbone=resnet50_fpn_v2", _R50, 128, False),
    Row("detection, ppocr_fpn, three stages", _WHOLE, 128, False),
    Row("detection, the CPU default", (), 128, False),
)
_READ = 4_096  # photos from files: enough for the start of processes to count little
_TINY = ("model.min_size=64", "model.max_size=128")


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    """Print each figure as it is found, and save them all."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description="Photos per second of training steps and detection, already loaded, untrained, "
        "and of files to numbers with the models that ship.",
    )
    add = parser.add_argument
    add("--device", default="auto", help="cuda, cpu; auto: the first GPU where there is one")
    add("--float32", action="store_true", help="rather than bfloat16 autocast")
    add("--rounds", type=int, default=5, help="medians are of so many; one more warms up")
    add("--tiny", action="store_true", help="two photos of 64 pixels, one round: does it run?")
    add("--out", type=Path, default=Path("outputs/gpu.json"), help="where figures are saved")
    chosen = parser.parse_args(arguments)
    device = choose_device(chosen.device)
    start = origin()
    found = []
    rounds = 1 if chosen.tiny else max(1, chosen.rounds)
    for figure in table(device, rounds, not chosen.float32, chosen.tiny):
        console.print(figure.line(), markup=False)
        found.append(figure._asdict())
    write_json(chosen.out, start | {"device": str(device), "figures": found})
    console.print(f"saved: {chosen.out}", markup=False)


def table(device: torch.device, rounds: int, bf16: bool, tiny: bool) -> Iterator[Figure]:
    """Photos per second of every row, then of reading.

    Args:
        device: where.
        rounds: that count.
        bf16: under bfloat16 autocast.
        tiny: two photos of 64 pixels rather than the row's own.
    """
    data = SyntheticDigits(2 if tiny else 128)
    photos = [data[i] for i in range(len(data))]
    for row in ROWS:
        yield _figure(row, photos, device, rounds, bf16, _TINY if tiny else ())
    for name in ("small",) if tiny else ("small", "large"):
        with TemporaryDirectory() as folder:
            yield reading(
                name, device, 40 if tiny else _READ, bf16, Path(folder), 32 if tiny else 128
            )


def _figure(
    row: Row,
    photos: Sequence[Photo],
    device: torch.device,
    rounds: int,
    bf16: bool,
    more: tuple[str, ...],
) -> Figure:
    network = TimedNetwork(build(train_config(*row.overrides, *more)["model"]), device, bf16)
    batch = photos[: row.batch_size]
    work = (network.training if row.training else network.inference)([batch] * (rounds + 1))
    found = in_turn({row.what: work}, rounds)[row.what]
    title = f"{row.what}, batch of {len(batch)}"
    return Figure.of("gpu", title, [1000 / ms for ms in found], "photos/s")


if __name__ == "__main__":
    main()
