"""Plots as inline SVG in the colours and typeface of the page."""

import io
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from digits.evaluation.plots import draw_coverage, draw_reliability
from digits.report.gallery import Gallery

_FEWEST = 5  # photos that make a curve
_INK = "#010203"  # stands for the colour of the page's text
_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "digits",
    "text.parse_math": False,
    "font.size": 11,
    **{f"axes.{part}": _INK for part in ("edgecolor", "labelcolor", "titlecolor")},
    **{f"{part}.color": _INK for part in ("text", "xtick", "ytick")},
    "legend.facecolor": "none",
    "axes.facecolor": "none",
}


def svg(draw: Callable[[], Figure], label: str) -> Markup:
    """A figure as an `<svg>` element.

    Args:
        draw: makes the figure; run with the colours of the page.
        label: for those who cannot see it.
    """
    text = io.StringIO()
    with mpl.rc_context(_STYLE):
        draw().savefig(text, format="svg", transparent=True, metadata={"Date": None})
    drawing = text.getvalue()
    drawing = drawing[drawing.index("<svg ") + len("<svg ") :].replace(_INK, "currentColor")
    return Markup(f'<svg role="img" aria-label="{escape(label)}" class="chart" {drawing}')


def confidence_charts(gallery: Gallery) -> list[Markup]:
    """Coverage and reliability, where the true numbers are known."""
    sure, right = np.array(gallery.confidence), np.array(gallery.right, dtype=bool)
    if len(right) < _FEWEST:
        return []
    return [
        svg(lambda: _one(draw_coverage, sure, right), "Accuracy over the share of photos accepted"),
        svg(lambda: _one(draw_reliability, sure, right), "How often which confidence is right"),
    ]


def _one(draw: Callable[..., None], *values: np.ndarray) -> Figure:
    figure = Figure(figsize=(4.6, 3.6), layout="tight")
    draw(figure.subplots(), *values)
    return figure
