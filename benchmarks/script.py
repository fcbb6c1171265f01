"""predict.py as a whole: photos per second, start-up included, and its peak of memory."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.figures import Figure, in_turn
from benchmarks.settings import build, train_config
from digits import checkpoint_file
from digits.data.folder import PhotoFolder
from digits.errors import DigitsError
from digits.run_info import versions

ROOT = Path(__file__).resolve().parents[1]
# A small program in between, since a process starts with its parent's peak as its own.
_MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


_SHIPPED = (
    ("ckpt=small",),
    ("ckpt=small", "recognizer=null"),
    ("ckpt=small", "precision=bf16-mixed"),
    ("ckpt=large",),
    ("ckpt=ensemble",),
)


class _Run(NamedTuple):
    seconds: float
    photos_per_second: float  # by predict.py's own clock, without start-up
    peak: float  # resident memory of its largest process, MB


def predict_speed(
    photos: Path, rounds: int, ckpt: Path | None = None, options: Sequence[str] = ()
) -> Iterator[Figure]:
    """Photos per second of predict.py.

    Args:
        photos: a folder of them.
        rounds: runs.
        ckpt: the CPU default with random weights where it is not given.
        options: more of predict.py's.
    """
    count = len(PhotoFolder(str(photos)))
    with tempfile.TemporaryDirectory() as folder:
        words = [f"ckpt={_checkpoint(ckpt, Path(folder))}", *options]
        runs = [_predict(photos, words) for _ in range(rounds)]
    whole, inside = [count / r.seconds for r in runs], [r.photos_per_second for r in runs]
    yield Figure.of("predict", f"{count:,} photos, start-up included", whole, "photos/s")
    yield Figure.of("predict", f"{count:,} photos, without start-up", inside, "photos/s")


def shipped_speed(photos: Path, rounds: int) -> Iterator[Figure]:
    """Photos per second of predict.py with each of the models that ship, start-up left out.

    Args:
        photos: a folder of them.
        rounds: that count.
    """

    def speed(words: Sequence[str]) -> float:
        return _predict(photos, (*words, "pictures=none")).photos_per_second

    works = {" ".join(words): lambda _, words=words: speed(words) for words in _SHIPPED}
    for words, rates in in_turn(works, rounds).items():
        yield Figure.of("shipped", f"predict.py {words}", rates, "photos/s")


def predict_memory(
    photos: Path,
    counts: Sequence[int] = (1000, 13_068),
    ckpt: Path | None = None,
    options: Sequence[str] = (),
) -> Iterator[Figure]:
    """Peak memory of predict.py on few and on many photos: the same files, over and over."""
    files = [Path(path).absolute() for path in PhotoFolder(str(photos)).paths]
    peaks = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
            for number in range(count):
                source = files[number % len(files)]
                Path(folder, f"{number + 1}{source.suffix}").symlink_to(source)
            words = [f"ckpt={_checkpoint(ckpt, Path(other))}", *options]
            peaks.append(_predict(Path(folder), words).peak)
        yield Figure.of("memory", f"predict.py, {count:,} photos: peak", peaks[-1:], "MB")
    yield Figure.of("memory", "most photos / fewest: ratio", [peaks[-1] / peaks[0]], "times")


def _predict(photos: Path, options: Sequence[str]) -> _Run:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [
            sys.executable, str(ROOT / "predict.py"),
            f"photos={photos.absolute()}", f"output_dir={folder / 'out'}", *options,
        ]  # fmt: skip
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _MEASURED, *command], capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - start
        if done.returncode:
            raise DigitsError(f"predict.py failed: {done.stderr.strip()[-1000:]}")
        metrics = json.loads((folder / "out" / "metrics.json").read_text(encoding="utf-8"))
        # Linux counts kB, macOS bytes.
        peak = int(done.stdout) / (1024 if sys.platform == "linux" else 1024**2)
        return _Run(seconds, metrics["photos_per_second"], peak)


def _checkpoint(given: Path | None, folder: Path) -> Path:
    """The one given, or in a folder the CPU default's, untrained: as fast as a trained one, since
    no box is dropped by its score."""
    if given:
        return given.absolute()
    path = folder / "random.ckpt"
    config = train_config()
    state = {f"model.{k}": v for k, v in build(config["model"]).state_dict().items()}
    description = checkpoint_file.describe(config, versions())
    torch.save({checkpoint_file.KEY: description, "state_dict": state}, path)
    return path
