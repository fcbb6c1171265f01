"""Console output: banner, result table, progress bar, warnings."""

import logging
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from digits.errors import one_line

# highlight=False and soft_wrap keep paths whole in logs and pipes; without markup, names with
# brackets or colons are what they are, in tables too.
console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)

_DETAILS = ("map_digit_", "map_height_", "accuracy_")  # figures that a report shows

Item = TypeVar("Item")


def printable(text: str) -> str:
    """A text with control characters escaped, which would move the cursor or set colours."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@contextmanager
def on_stderr() -> Iterator[None]:
    """Print to stderr within the block, since stdout is for a program."""
    console.stderr = True
    try:
        yield
    finally:
        console.stderr = False


def quiet() -> None:
    """Silence Lightning's banners and tips, and warnings known to be harmless."""
    warnings.formatwarning = plain_warning  # Lightning has put its own there
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
        ".*in eval mode at the start of training.*",  # frozen normalisation
        ".*You have overridden .transfer_batch_to_device.*",
    ):
        warnings.filterwarnings("ignore", pattern)
    # Of large photos and of damaged tags, without the file's name; what cannot be read is an error.
    warnings.filterwarnings("ignore", module=r"PIL\.")


def plain_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """A warning for people: not the line of code that it comes from."""
    return f"Warning: {one_line(message)}\n"


def banner(title: str, details: Mapping[str, object]) -> None:
    """Say what is about to run."""
    console.print(title, style="bold")
    for name, value in details.items():
        console.print(f"  {name:<16} {printable(str(value))}")


def result_table(
    title: str, figures: Mapping[str, float], paths: Mapping[str, Path], then: str | None = None
) -> None:
    """Print the figures of a finished command, the paths of its outputs, and the next command."""
    table = Table(title=printable(title), title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    left_out = _DETAILS if "report" in paths else ()
    single = {name: value for name, value in figures.items() if not name.startswith(left_out)}
    for name, value in single.items():
        places = 1 if value >= 10 or name == "photos_per_second" else 4
        table.add_row(name, f"{value}" if isinstance(value, int) else f"{value:.{places}f}")
    console.print(table)
    if len(single) < len(figures):
        console.print("By digit, height and length: in the report")
    for name, path in paths.items():
        console.print(f"  {name:<16} {printable(str(path))}")
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
