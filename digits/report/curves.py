"""Plot the learning curves of one run or several.

python -m digits.report.curves RUN_OR_SWEEP [...] [--out curves.png]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from digits import outputs
from digits.console import console
from digits.ending import one_line_errors
from digits.evaluation.plots import save_figure
from digits.io import png_path
from digits.report.runs import LOSS, SCORES, History, find_runs

_MAX_NAMED = 10  # runs with a colour and a name of their own, the best; more cannot be told apart
_LOSS, _SCORE, _OTHERS = "tab:gray", "tab:blue", "silver"


def draw_run(history: History) -> Figure:
    """The training loss of a run, with each of its scores on valid, and the best epoch of each."""
    scores = [score for score in SCORES if score in history.curves] or [LOSS]
    figure = Figure(figsize=(5.4 * len(scores), 3.6), layout="tight")
    for axis, score in zip(figure.subplots(1, len(scores), squeeze=False)[0], scores, strict=True):
        _epochs(axis)
        marker = "." if len(history.curves.get(LOSS, ())) < 3 else None
        _plot(axis, history, LOSS, color=_LOSS, marker=marker)
        axis.set_ylabel("training loss", color=_LOSS)
        if score != LOSS:
            right = axis.twinx()
            _plot(right, history, score, color=_SCORE, marker=".")
            _mark_best(right, history, score, _SCORE)
            _not_below_zero(right)
            right.set_ylabel(SCORES[score], color=_SCORE)
            epoch, value = history.best(score) or (0, 0.0)
            axis.set_title(f"best {SCORES[score]} {value:.3f}, epoch {epoch}", fontsize=10)
    return figure


def draw_runs(histories: Sequence[History]) -> Figure:
    """Several runs: their training losses, and each score on valid; best runs first by name."""
    ranked = sorted(histories, key=lambda history: -history.map)
    panels = [p for p in (LOSS, *SCORES) if any(p in history.curves for history in ranked)]
    figure = Figure(figsize=(4.2 * len(panels), 4.6), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, panel in zip(axes, panels, strict=True):
        _epochs(axis)
        axis.set_title(SCORES.get(panel, "training loss"), fontsize=10)
        for rank, history in reversed(list(enumerate(ranked))):
            color = f"C{rank}" if rank < _MAX_NAMED else _OTHERS
            _plot(axis, history, panel, color=color, marker=".", markersize=3)
            if panel != LOSS:
                _mark_best(axis, history, panel, color)
        _not_below_zero(axis)
    named = [
        Axes.plot(axes[0], [], [], color=f"C{rank}")[0] for rank in range(len(ranked[:_MAX_NAMED]))
    ]
    names = [history.name for history in ranked[:_MAX_NAMED]]
    if len(ranked) > _MAX_NAMED:
        named += axes[0].plot([], [], color=_OTHERS)
        names.append(f"{len(ranked) - _MAX_NAMED} others")
    legend = figure.legend(named, names, loc="outside lower left", ncols=2, fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)  # a folder may be called anything
    return figure


def save_curves(path: Path, histories: Sequence[History]) -> Path:
    """Save the curves of one run or of several."""
    one = len(histories) == 1
    return save_figure(path, draw_run(histories[0]) if one else draw_runs(histories))


def _epochs(axis: Any) -> None:
    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _plot(axis: Any, history: History, name: str, **style: Any) -> None:
    curve = history.curves.get(name, {})
    axis.plot(list(curve), list(curve.values()), **style)


def _not_below_zero(axis: Any) -> None:
    """Neither scores nor losses are negative; call it when all is drawn."""
    axis.set_ylim(bottom=max(axis.get_ylim()[0], 0.0))


def _mark_best(axis: Any, history: History, score: str, color: str) -> None:
    best = history.best(score)
    if best:
        star = {"marker": "*", "markersize": 13, "markeredgecolor": "white", "clip_on": False}
        axis.plot(*best, color=color, **star)


@one_line_errors
def main() -> None:
    """Draw the learning curves of runs."""
    parser = argparse.ArgumentParser(
        prog="python -m digits.report.curves", description="Draw the learning curves of runs."
    )
    parser.add_argument("folders", type=Path, nargs="+", help="of runs or sweeps of train.py")
    parser.add_argument(
        "--out",
        type=png_path,
        help="the picture; default: curves.png in the folder, of several: here",
    )
    options = parser.parse_args()
    own = options.folders[0] if len(options.folders) == 1 else Path()
    out = options.out or own / outputs.CURVES
    console.print(f"curves: {save_curves(out, find_runs(options.folders))}")


if __name__ == "__main__":
    main()
