"""Kills trainings at chosen moments, resumes them, and compares them with an undisturbed one.

python tests/e2e/kills.py [--count 20] [--workers 0 1 2]

A line per kill, and `N of M differ`; the exit code is 1 where any does. Each run is a fork of this
process, so that torch and Lightning are imported once.
"""

import argparse
import csv
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import lightning as L  # noqa: E402
import torch  # noqa: E402

from digits.cli import entry  # noqa: E402
from digits.training import finish  # noqa: E402
from digits.training.module import DigitDetector  # noqa: E402

LOG = Path(tempfile.gettempdir()) / "digits-kills.log"  # what the runs print
EPOCHS, STEPS = 3, 3
SETTINGS = (
    "trainer.accelerator=cpu", "trainer.deterministic=true", f"trainer.max_epochs={EPOCHS}",
    f"trainer.limit_train_batches={STEPS}", "trainer.log_every_n_steps=1", "batch_size=4",
    "model.min_size=48", "callbacks.pictures=null", "data.valid_count=6", "reading.min_photos=5",
    "hydra/job_logging=none", "hydra/hydra_logging=none",
)  # fmt: skip

Moment = tuple[Any, str, int]
"""An object, the name of its function, and at which call the process is struck."""


def strike(owner: Any, name: str, call: int, number: int) -> None:
    """Let this process get a signal at a call of a function; torch.save has written a half then."""
    original, calls = getattr(owner, name), itertools.count(1)

    def struck(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == call:
            if owner is torch:
                original(*args, **kwargs)
                os.truncate(args[1], os.path.getsize(args[1]) // 2)
            os.kill(os.getpid(), number)
        return original(*args, **kwargs)

    setattr(owner, name, struck)


def run(*words: str, moment: Moment | None = None, number: int = signal.SIGKILL) -> int:
    """Run train.py in a fork; returns its exit code, negative where a signal ended it."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        code = 1
        try:
            with LOG.open("a") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            if moment:
                strike(*moment, number)
            sys.argv = [str(ROOT / "train.py"), *words]
            entry.train()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        finally:
            sys.stdout.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def differing(first: Path, second: Path) -> list[str]:
    """What differs between two runs: state of the training, weights, figures, log."""
    found = []
    for name in ("last.ckpt", "best.ckpt", "best_number.ckpt"):
        ours, theirs = (
            torch.load(folder / name, weights_only=True, map_location="cpu")
            for folder in (first, second)
        )
        for part in (ours.keys() | theirs.keys()) - {"callbacks", "digits", "loops"}:
            if not same(ours.get(part), theirs.get(part)):
                found.append(f"{name}: {part}")
    figures = [json.loads((folder / "metrics.json").read_text()) for folder in (first, second)]
    for key in figures[0].keys() | figures[1].keys():
        timed = key in ("minutes", "photos_per_second")
        if not timed and figures[0].get(key) != figures[1].get(key):
            found.append(f"metrics.json: {key}")
    logs = [list(csv.DictReader((folder / "metrics.csv").open())) for folder in (first, second)]
    if logs[0] != logs[1]:
        found.append(f"metrics.csv: {len(logs[0])} and {len(logs[1])} rows")
    return found


def same(ours: Any, theirs: Any) -> bool:
    """Whether plain data with tensors in it is equal to the last bit."""
    if isinstance(ours, torch.Tensor):
        return torch.equal(ours, theirs)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool(ours == theirs)


def moments() -> list[tuple[str, Moment, int]]:
    """When runs are struck, the most telling first: what is said of it, where, and the signal."""
    step, valid = (DigitDetector, "training_step"), (DigitDetector, "validation_step")
    save, kill = (torch, "save"), signal.SIGKILL
    return [
        ("in a step of the last epoch", (*step, 2 * STEPS + 2), kill),
        ("a checkpoint half written", (*save, 5), kill),
        ("in the final scoring", (finish, "write_json", 1), kill),
        ("Ctrl-C within an epoch", (*step, STEPS + 2), signal.SIGINT),
        ("in a validation", (*valid, 5), kill),
        ("SIGTERM within an epoch", (*step, 2 * STEPS + 1), signal.SIGTERM),
        ("SIGTERM in a validation", (*valid, 3), signal.SIGTERM),
        *((f"checkpoint {n} half written", (*save, n), kill) for n in (4, 6)),
        *((f"in step {n}", (*step, n), kill) for n in (4, 5, 6, 7, 9)),
        *((f"in validation {n}", (*valid, n), kill) for n in (3, 4, 6)),
        ("before the scoring", (finish, "score_checkpoint", 1), kill),
        ("between two epochs", (L.Trainer, "save_checkpoint", 4), kill),
        ("SIGTERM in the final scoring", (finish, "score_checkpoint", 1), signal.SIGTERM),
    ]  # fmt: skip


def main(count: int, workers: list[int]) -> int:
    """Kill, resume and compare; returns how many runs differ."""
    torch.set_num_threads(1)
    finish.write_reports = lambda folder: {}  # of what is compared: as long as the training itself
    root, wrong = Path(tempfile.mkdtemp(prefix="digits-kills-")), 0
    loading = itertools.cycle(workers)
    chosen = [(next(loading), *one) for one in moments()[:count]]
    for number in sorted(set(workers)):
        own = (*SETTINGS, f"num_workers={number}", f"output_dir={root / f'whole-{number}'}")
        assert run(*own) == 0
    for number, (loaders, what, moment, by) in enumerate(chosen):
        folder = root / str(number)
        own = (*SETTINGS, f"num_workers={loaders}", f"output_dir={folder}")
        code, expected = (
            run(*own, moment=moment, number=by),
            -by if by == signal.SIGKILL else 128 + by,
        )
        resumed = run(f"resume={folder}", *SETTINGS[-2:])
        bad = [f"exit code {code}"] if code != expected else []
        bad += (
            [f"resume: exit code {resumed}"]
            if resumed
            else differing(root / f"whole-{loaders}", folder)
        )
        bad += [f"left {path.name}" for path in folder.glob("*.part")]
        wrong += bool(bad)
        print(
            f"{'differs' if bad else 'same'}: {what}, {loaders} loading processes {'; '.join(bad)}",
            flush=True,
        )
    shutil.rmtree(root)
    print(f"{wrong} of {len(chosen)} differ", flush=True)
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kill trainings, resume them, compare.")
    parser.add_argument("--count", type=int, default=20, help="kills")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="in turn")
    chosen = parser.parse_args()
    sys.exit(bool(main(chosen.count, chosen.workers)))
