"""Pictures for people."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # before pyplot: no screen is needed
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle
from torch import Tensor

from digits.structures import CLASS_NAMES

RIGHT, WRONG, UNKNOWN = "tab:green", "tab:red", "tab:blue"


def draw_readings(photos: Sequence[dict[str, Any]], columns: int = 6) -> Any:
    """A sheet of photos with the boxes that were read and the numbers above.

    Args:
        photos: per photo `photo` uint8 `(3, H, W)`, `boxes` `(K, 4)` xyxy, `labels` `(K,)`,
            `number` text, and `truth` text or `None`; green is right, red wrong, blue unknown.

    Returns:
        A matplotlib figure.
    """
    rows = -(-len(photos) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.2 * columns, 1.7 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, item in zip(axes.flat, photos, strict=False):
        _draw_one(axis, item)
    figure.tight_layout(pad=0.4)
    return figure


def save_readings(path: Path, photos: Sequence[dict[str, Any]]) -> Path:
    """Save the sheet of `draw_readings` as a picture."""
    figure = draw_readings(photos)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    plt.close(figure)
    return path


def _draw_one(axis: Any, item: dict[str, Any]) -> None:
    photo: Tensor = item["photo"]
    truth, number = item["truth"], item["number"]
    color = UNKNOWN if truth is None else RIGHT if truth == number else WRONG
    axis.imshow(photo.permute(1, 2, 0).numpy())
    for box, label in zip(item["boxes"].tolist(), item["labels"].tolist(), strict=True):
        left, top, right, bottom = box
        axis.add_patch(
            Rectangle((left, top), right - left, bottom - top, fill=False, color=color, lw=1)
        )
        axis.text(
            left,
            top,
            CLASS_NAMES[label - 1],
            color="white",
            fontsize=6,
            va="bottom",
            bbox={"facecolor": color, "edgecolor": "none", "pad": 0.6},
        )
    note = "" if truth in (None, number) else f" (is {truth})"
    axis.set_title(f"{number}{note}", fontsize=9, color=color, pad=6)
