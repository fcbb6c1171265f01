"""Write report.html, a self-contained page about a folder of outputs."""

import base64
import csv
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import numpy as np
from markupsafe import Markup

from digits import __version__, outputs
from digits.errors import DigitsError
from digits.io import atomic_write
from digits.report import figures
from digits.report.gallery import Gallery, read_gallery
from digits.report.mistakes import KINDS
from digits.report.runs import find_runs, read_history
from digits.report.tiles import Tile
from digits.shapes import Finite, convert, decode_file, read_file
from digits.types import CLASS_NAMES

_KINDS = {  # what a folder is, by a file that only such a folder has
    outputs.SWEEP: "Sweep",
    outputs.FUSION: "Fusion",
    outputs.LOG: "Training",
    outputs.METRICS: "Prediction",
}
_PARTS = ("page.css", "page.js")


def write_page(folder: Path) -> Path:
    """Write report.html into the folder of a run, a prediction, a fusion or a sweep.

    Returns:
        Its path.

    Raises:
        DigitsError: the folder is none of these, or a file in it is not as it was written.
    """
    kind = next((kind for name, kind in _KINDS.items() if (folder / name).is_file()), None)
    if kind is None:
        raise DigitsError(
            f"{folder}: nothing to report on; expected the folder of a run, a prediction or a "
            f"sweep, with one of {', '.join(_KINDS)}."
        )
    page = _render(_content(folder, kind))
    with atomic_write(folder / outputs.REPORT) as file:
        file.write(page)
    return folder / outputs.REPORT


def _content(folder: Path, kind: str) -> dict[str, Any]:
    """The variables of the template."""
    metrics = _read(folder / outputs.METRICS)
    try:
        single, bars = figures.split(metrics)
    except OverflowError as error:
        raise DigitsError(f"{folder / outputs.METRICS}: a figure too large ({error}).") from error
    gallery = read_gallery(folder / outputs.GALLERY)
    config, picture = folder / outputs.CONFIG, folder / outputs.AUGMENTED

    def listed(name: str, shape: type[Any], default: Any) -> Any:
        return convert(metrics.get(name, default), shape, f"{folder / outputs.METRICS}: {name}")

    return {
        "kind": kind,
        "name": folder.resolve().name,
        "version": __version__,
        "headlines": [name for name in figures.HEADLINES if name in single],
        "figures": single,
        "notes": {name: value for name, value in metrics.items() if isinstance(value, str | bool)},
        "bars": bars,
        "unreadable": listed("unreadable", dict[str, str], {}),
        "sureness": figures.sureness(gallery.confidence) if gallery and not gallery.right else None,
        "curves": _curves(folder, kind),
        "augmented": _base64(read_file(picture)) if picture.is_file() else "",
        "gallery": gallery,
        "tabs": _tabs(gallery.tiles) if gallery else {},
        "charts": _charts(gallery) if gallery and gallery.right else [],
        "confusion": listed("confusion", list[list[int]], []),
        "digits": CLASS_NAMES,
        "members": listed("members", list[dict[str, Any]], []),
        "fusion": _fusion(folder / outputs.FUSION),
        "jobs": _jobs(folder / outputs.SWEEP),
        "config": read_file(config).decode("utf-8", "replace") if config.is_file() else "",
        "run": _read(folder / outputs.RUN),
    }


def _read(path: Path) -> dict[str, Any]:
    return decode_file(path, dict[str, Any]) if path.is_file() else {}


def _charts(gallery: Gallery) -> list[Markup]:
    from digits.report.charts import confidence_charts  # matplotlib takes a second

    return confidence_charts(gallery)


def _curves(folder: Path, kind: str) -> Markup | None:
    if kind not in ("Training", "Sweep"):
        return None
    from digits.report.charts import svg  # matplotlib takes a second
    from digits.report.curves import draw_run, draw_runs

    if kind == "Training":
        history = read_history(folder)
        return svg(lambda: draw_run(history), "Learning curves") if history.curves else None
    if not any(folder.glob(f"*/{outputs.LOG}")):
        return None
    return svg(lambda: draw_runs(find_runs([folder])), "Learning curves of all jobs")


def _fusion(path: Path) -> dict[str, str]:
    """The settings of a fusion as fitted on valid, for people."""
    recipe = _read(path)
    used = convert(recipe.get("fusion") or {}, dict[str, Finite | list[Finite]], str(path))
    settings = {
        title: ", ".join(f"{value:g}" for value in np.atleast_1d(used.get(name, [])))
        for name, title in (("weights", "weights"), ("iou", "IoU"), ("score_floor", "score floor"))
    }
    boxes = f"{recipe.get('boxes', '')}{', averaged' * bool(recipe.get('average'))}"
    sources = {"boxes of": boxes, "numbers of": recipe.get("numbers", "")}
    return {name: text for name, text in (sources | settings).items() if text}


def _tabs(tiles: list[Tile]) -> dict[str, int]:
    """The filters of the gallery, and how many photos each shows."""
    if all(tile.truth is None for tile in tiles):
        check = sum(tile.accepted is False for tile in tiles)
        kinds = {"all": len(tiles), "check": check, "accepted": len(tiles) - check}
        return kinds if check else {}
    wrong = [tile for tile in tiles if tile.mistakes]
    kinds = {kind: sum(kind in tile.mistakes for tile in wrong) for kind in KINDS}
    return {"all": len(tiles), "wrong": len(wrong), **kinds, "right": len(tiles) - len(wrong)}


def _jobs(path: Path) -> list[dict[str, Any]]:
    """The jobs of a sweep, each with the address of its own page, where it has one."""
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            jobs: list[dict[str, Any]] = list(csv.DictReader(file))
        for job in jobs:
            job |= {name: float(job[name]) for name in figures.NAMES if job.get(name)}
            job.pop("checkpoint", None)  # in the folder that the page of the job is in
            own = Path(job["job"], outputs.REPORT)
            job["page"] = quote(str(own)) if (path.parent / own).is_file() else ""
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise DigitsError(f"{path}: not a sweep.csv that train.py wrote ({error!r}).") from error
    used = {name for job in jobs for name, value in job.items() if value not in ("", None)}
    return [{name: job[name] for name in job if name in used} for job in jobs]


def _render(content: dict[str, Any]) -> str:
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"figure": figures.shown, "title": figures.title, "base64": _base64}
    style, script = (Markup(loader.get_source(environment, name)[0]) for name in _PARTS)
    # The page may run its own script and nothing else, and fetch nothing.
    digest = _base64(hashlib.sha256(script.encode()).digest())
    page = environment.get_template("page.html")
    return page.render(content, style=style, script=script, digest=digest)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
