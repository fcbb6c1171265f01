"""The table of a sweep, from the files of its jobs."""

import csv
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from rich.measure import Measurement
from rich.table import Table

from digits import outputs
from digits.console import console
from digits.data.command_words import data_words
from digits.errors import DigitsError, one_line
from digits.io import atomic_write, csv_cell
from digits.shapes import Finite, convert, decode_file, read_file

_COLUMNS = {
    "mAP": ("map", "{:.3f}"),
    "numbers": ("number_accuracy", "{:.3f}"),
    "epochs": ("epochs", "{:.0f}"),
    "minutes": ("minutes", "{:.1f}"),
    "parameters": ("parameters", "{:,}"),
    "photos/s": ("photos_per_second", "{:.0f}"),
}
FIGURES = tuple(name for name, _ in _COLUMNS.values())


def read_jobs(folder: Path) -> list[dict[str, Any]]:
    """The jobs of a sweep: those that finished, best mAP first, then the others.

    Returns:
        Per job: its directory, each setting in which the jobs differ, its status (finished, failed,
        unfinished: it runs or was killed), the `FIGURES`, its checkpoint and its error; what there
        is not yet is None.
    """
    runs = [path.parents[1] for path in folder.glob("*/.hydra/overrides.yaml")]
    paths = [path for path in runs if not _is_prediction(path)]
    paths.sort(key=lambda path: (int(number) if (number := path.name.split("_")[0]).isdigit()
                                 else 0, path.name))  # fmt: skip
    settings = {path.name: _settings(path / ".hydra" / "overrides.yaml") for path in paths}
    keys = sorted({key for own in settings.values() for key in own} - {"output_dir"})
    differing = [key for key in keys if len({own.get(key) for own in settings.values()}) > 1]
    jobs = [
        {"job": path.name, **{key: settings[path.name].get(key) for key in differing}}
        | _outcome(path)
        for path in paths
    ]
    return sorted(jobs, key=lambda job: -1.0 if job["map"] is None else job["map"], reverse=True)


def _is_prediction(folder: Path) -> bool:
    """Whether it holds what was read with a sweep's checkpoints, beside its jobs."""
    return (folder / "predict.log").is_file() and not (folder / outputs.BEST).is_file()


def _settings(path: Path) -> dict[str, str]:
    try:
        lines = convert(yaml.safe_load(read_file(path)), list[str], str(path))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = one_line(error)[:200]
        raise DigitsError(f"{path}: not the settings of a job ({reason}).") from error
    pairs = (line.partition("=") for line in lines)
    return {key.lstrip("+~"): value for key, _, value in pairs}


def _outcome(folder: Path) -> dict[str, Any]:
    figures, error, best = {}, None, folder / outputs.BEST
    status = "unfinished"
    if (folder / outputs.ERROR).is_file():
        status = "failed"
        error = read_file(folder / outputs.ERROR).decode("utf-8", "replace").partition("\n")[0]
    elif (folder / outputs.METRICS).is_file() and best.is_file():
        status = "finished"
        path = folder / outputs.METRICS
        figures = decode_file(path, dict[str, Any])
        for name in FIGURES:
            if figures.get(name) is not None:
                convert(figures[name], Finite, f"{path}: {name}")
    return {
        "status": status,
        **{name: figures.get(name) for name in FIGURES},
        "checkpoint": str(best) if status == "finished" else None,
        "error": error,
    }


def write_table(folder: Path) -> list[dict[str, Any]]:
    """Write the jobs of a sweep to its `sweep.csv`.

    Jobs that end at the same time may each do so: whoever writes last has seen them all, because
    each reads again after it has written, until nothing is new.
    """
    jobs, written = read_jobs(folder), None
    while jobs != written:
        with atomic_write(folder / outputs.SWEEP) as file:
            writer = csv.DictWriter(file, fieldnames=list(jobs[0]) if jobs else ["job"])
            writer.writeheader()
            writer.writerows({k: csv_cell(v) for k, v in job.items()} for job in jobs)
        jobs, written = read_jobs(folder), jobs
    return jobs


def show_sweep(folder: Path) -> list[dict[str, Any]]:
    """Write the table, the curves and the report of a sweep, and print the table.

    Returns:
        As `write_table`.
    """
    from digits.report.writing import write_reports  # matplotlib takes a second

    jobs = write_table(folder)
    print_table(folder, jobs, write_reports(folder))
    return jobs


def print_table(folder: Path, jobs: list[dict[str, Any]], paths: Mapping[str, Path]) -> None:
    """Show the jobs, the errors of those that failed, the files there are, and what to do next."""
    headings, unbounded = list(_COLUMNS), console.options.update(width=1000)
    table = _table(folder, jobs, headings)
    # In a narrow terminal the columns that matter stay legible; sweep.csv has all.
    while headings[1:] and Measurement.get(console, unbounded, table).minimum > console.width:
        headings.pop()
        table = _table(folder, jobs, headings)
    console.print(table)
    for job in jobs:
        if job["error"]:
            console.print(f"  {job['job']} failed: {job['error']}")
    console.print(f"  {'checkpoints':<16} {folder}/JOB/best.ckpt")
    for name, path in ({"all columns": folder / outputs.SWEEP} | dict(paths)).items():
        console.print(f"  {name:<16} {path}")
    finished = [job for job in jobs if job["status"] == "finished"]
    if finished:
        best = Path(finished[0]["checkpoint"])
        reads = _reads(best.with_name(outputs.CONFIG))
        predict = "python predict.py ckpt="
        console.print(f"Next: {predict}{shlex.quote(str(best))} {reads}")
    if len(finished) > 1:
        fused = f"{predict}{shlex.quote(str(folder))} {reads}"
        console.print(f"All {len(finished)}, fused: {fused}")


def _table(folder: Path, jobs: list[dict[str, Any]], headings: list[str]) -> Table:
    table = Table(title=f"sweep {folder}", title_justify="left")
    table.add_column("job", overflow="fold", min_width=8)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for job in jobs:
        values = ((job[_COLUMNS[heading][0]], _COLUMNS[heading][1]) for heading in headings)
        cells = ["" if value is None else form.format(value) for value, form in values]
        if job["status"] != "finished":
            cells[0] = job["status"]
        table.add_row(job["job"], *cells)
    return table


def _reads(config: Path) -> str:
    """The data of a job, as predict.py is told of it."""
    try:
        content = yaml.safe_load(config.read_text(encoding="utf-8"))
        return data_words(content["data"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return data_words({})
