"""Rescale, weigh and check detections; tensors, or arrays of numpy where there is no torch."""

import math
from collections.abc import Sequence

import numpy as np

from digits.errors import DigitsError
from digits.types import NUM_CLASSES, Detections, RowTexts


def scaled_to(detections: Detections, seen: Sequence[int], size: tuple[int, int]) -> Detections:
    """Detections with boxes in pixels of the file that a photo was reduced from.

    Args:
        detections: in pixels of the reduced photo.
        seen: its height and width.
        size: height and width of the file's.
    """
    scale = np.tile(np.divide(size, seen)[::-1], 2).astype(np.float32)
    boxes = detections["boxes"]
    factors = scale if isinstance(boxes, np.ndarray) else boxes.new_tensor(scale)
    scaled = detections | {"boxes": boxes * factors}
    if "rows" in detections:
        scaled["rows"] = [
            {**row, "boxes": (np.array(row["boxes"], np.float32) * scale).tolist()}
            for row in detections["rows"]
        ]
    return scaled


def weighed(rows: Sequence[RowTexts], share: float) -> list[RowTexts]:
    """Rows whose plausibility counts only by a share, beside those of others."""
    return [row | {"weight": row["weight"] + math.log(share)} for row in rows]


def check_detections(detections: Detections, where: str) -> None:
    """Refuse detections that break the contract.

    Raises:
        DigitsError: names `where`, the field, and what was expected and got.
    """
    boxes, scores, labels = detections["boxes"], detections["scores"], detections["labels"]
    n = len(boxes)
    for name, values, shape in (
        ("boxes", boxes, (n, 4)),
        ("scores", scores, (n,)),
        ("labels", labels, (n,)),
    ):
        if tuple(values.shape) != shape:
            raise DigitsError(
                f"{where}: expected {name} of shape {shape}, got {tuple(values.shape)}."
            )
    if not np.isfinite(np.asarray(boxes)).all():
        raise DigitsError(f"{where}: expected finite boxes, got NaN or infinity.")
    if n and not (float(scores.min()) >= 0 and float(scores.max()) <= 1):
        raise DigitsError(
            f"{where}: expected scores in [0, 1], got {scores.min()}..{scores.max()}."
        )
    if n and not (int(labels.min()) >= 1 and int(labels.max()) < NUM_CLASSES):
        raise DigitsError(f"{where}: expected labels in 1..10, got {labels.min()}..{labels.max()}.")
