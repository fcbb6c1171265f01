"""What people see: the start banner, the result table, one line for an error."""

import functools
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from hydra.errors import InstantiationException
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from digits.errors import DigitsError

# highlight=False and soft_wrap keep paths whole in logs and pipes; without markup, names with
# brackets are what they are, in tables too.
console = Console(highlight=False, soft_wrap=True, markup=False)
_errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

Result = TypeVar("Result")
Item = TypeVar("Item")


def printable(text: str) -> str:
    """A name without what would move a terminal's cursor or colour it: such letters are escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@contextmanager
def on_stderr() -> Iterator[None]:
    """All that people see goes to stderr, where stdout is for a program."""
    console.stderr = True
    try:
        yield
    finally:
        console.stderr = False


def quiet() -> None:
    """Silence what tells a user nothing: Lightning's banners, tips and known-harmless warnings."""
    warnings.formatwarning = _plain  # Lightning has put its own there
    for name in ("lightning.pytorch", "lightning.fabric", "faster_coco_eval"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for pattern in (
        ".*does not have many workers.*",
        ".*exists and is not empty.*",
        ".*The number of training batches.*is smaller than the logging interval.*",
        ".*lr_scheduler.step.*before.*optimizer.step.*",
        ".*LeafSpec.*",
        ".*resuming from a checkpoint that ended before the epoch ended.*",
        ".*The dirpath has changed.*",
        ".*You have overridden .transfer_batch_to_device.*",
    ):
        warnings.filterwarnings("ignore", pattern)


def _plain(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """A warning for people: not the line of code that it comes from."""
    return f"Warning: {' '.join(str(message).split())}\n"


def banner(title: str, details: Mapping[str, object]) -> None:
    """Say what is about to run."""
    console.print(title, style="bold")
    for name, value in details.items():
        console.print(f"  {name:<16} {value}")


def result_table(
    title: str, figures: Mapping[str, float], paths: Mapping[str, Path], then: str | None = None
) -> None:
    """The last thing a command prints: its figures, where its outputs are, what to type next."""
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        whole = isinstance(value, int)
        table.add_row(name, f"{value}" if whole else f"{value:.{1 if value >= 10 else 4}f}")
    console.print(table)
    for name, path in paths.items():
        console.print(f"  {name:<16} {path}")
    if then:
        console.print(f"Next: {then}")


def with_progress(items: Iterable[Item], total: int, title: str) -> Iterator[Item]:
    """Show a bar with photos done, photos per second and the time left."""
    bar = Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f} photos/s"), TimeRemainingColumn(),
        console=console,
    )  # fmt: skip
    start = time.perf_counter()
    with bar:
        task = bar.add_task(title, total=total, rate=0.0)
        for done, item in enumerate(items, 1):
            yield item
            bar.update(task, completed=done, rate=done / (time.perf_counter() - start))
        bar.update(task, total=bar.tasks[0].completed)  # fewer, where some cannot be read


def one_line_errors(main: Callable[..., Result]) -> Callable[..., Result]:
    """Turn a `DigitsError`, however deeply wrapped, into its message and exit code 1, and Ctrl-C
    and SIGTERM into a line and exit code 130 and 143.

    So too Hydra's error about an object that the configuration describes: a setting is wrong.
    """

    @functools.wraps(main)
    def wrapped(*args: Any, **kwargs: Any) -> Result:
        # By name, for launchers send `wrapped` to other processes and a Console cannot be sent.
        return _run(main, *args, **kwargs)

    return wrapped


def _run(main: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    code = 1
    warnings.formatwarning = _plain
    try:
        with _ended_by_sigterm():
            return main(*args, **kwargs)
    except KeyboardInterrupt:
        _errors.print("Stopped by Ctrl-C.")
        code = 130  # the shell's for this signal
    except Exception as error:
        line = error_line(error)
        if line is None:
            raise
        _errors.print(Text.assemble(("Error:", "bold red"), f" {line}"))
    sys.exit(code)  # not within the handler, whose frames would live on to the interpreter's end


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the block in order: what is half written is removed, exit code 143."""

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a loading process, which has nothing to put in order
            os._exit(128 + number)
        _errors.print("Stopped by SIGTERM.")
        sys.exit(128 + number)

    process, before = os.getpid(), signal.getsignal(signal.SIGTERM)
    ours = before is signal.SIG_DFL and threading.current_thread() is threading.main_thread()
    if ours:
        signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def error_line(error: Exception) -> str | None:
    """What `one_line_errors` says of an error; None: it is a fault of the program."""
    cause = _cause(error)
    if cause is None and not isinstance(error, InstantiationException):
        return " ".join(str(error).split()) if _is_refusal_of_lightning(error) else None
    text = str(cause or error)
    if cause is None:  # what was called, what it said, which key: three lines
        key = text.rpartition("full_key: ")[2] if "full_key: " in text else ""
        said = error.__cause__ if key else None
        text = " ".join(f"{key}: {said}".split() if said else text.split())
    if "Original Traceback" in text:  # raised in a loading process, which wraps the text
        text = text.rsplit(f"{DigitsError.__name__}: ", 1)[-1].strip()
    return text


def _is_refusal_of_lightning(error: Exception) -> bool:
    """Whether Lightning's Trainer refuses its settings, such as an accelerator that is not here."""
    if type(error).__name__ == "MisconfigurationException":
        return True
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = trace.tb_frame.f_globals.get("__name__", "") if trace else ""
    return isinstance(error, ValueError) and where.startswith("lightning.pytorch.")


def _cause(error: BaseException | None) -> DigitsError | None:
    while error is not None and not isinstance(error, DigitsError):
        error = error.__cause__ or error.__context__
    return error
