"""Compare an exported file with its checkpoint."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from digits.errors import DigitsError
from digits.export.reader import ExportedReader
from digits.export.session import Run
from digits.models.rcnn import DigitRCNN
from digits.reader import NumberReader
from digits.types import Detections

PIXELS, SCORES = 0.05, 1e-3  # the most that boxes and scores may differ, and confidences
_MIN_SCORE = 0.01  # scores below are noise, whose order may change
_BATCHED_PHOTOS = 4  # photos that are also detected in a batch

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Boxes, scores and labels of a photo."""


def compare(
    ours: ExportedReader, theirs: NumberReader, photos: Sequence[Tensor]
) -> tuple[float, float, float]:
    """Compare the detections of one pass, alone and in batches, and the numbers read.

    Args:
        ours: of the file.
        theirs: of the checkpoint.
        photos: uint8 `(3, H, W)` each.

    Returns:
        The largest differences: of boxes in pixels, of scores, and of confidences of numbers.

    Raises:
        DigitsError: they differ by more than rounding.
    """
    pixels, scores = compare_pass(ours.detector, cast(DigitRCNN, theirs.models[0]), photos)
    confidences = 0.0
    for mine, other in zip(ours.read(photos), theirs.read(photos), strict=True):
        apart = abs(mine.confidence - other.confidence)
        confidences = max(confidences, apart if mine.number == other.number else np.inf)
    if pixels > PIXELS or max(scores, confidences) > SCORES:
        raise DigitsError(
            "The file does not find what its checkpoint finds: boxes differ by "
            f"{pixels:.3g} pixels, scores by {scores:.3g}, confidences by {confidences:.3g} (inf: "
            f"another digit or number); expected at most {PIXELS} and {SCORES}."
        )
    return pixels, scores, confidences


@torch.inference_mode()
def compare_pass(run: Run, model: DigitRCNN, photos: Sequence[Tensor]) -> tuple[float, float]:
    """The largest differences of one pass, in pixels and in score.

    Args:
        run: of the file.
        model: the detector.
        photos: uint8 `(3, H, W)` each.
    """
    zoom, model.zoom = model.zoom, None
    one, worst = np.array(1, dtype=np.float32), np.zeros(2)
    for number, photo in enumerate(photos):
        some = [photo, photo.flip(2)] if number < _BATCHED_PHOTOS else [photo]
        found = run({"photos": torch.stack(some).numpy(), "enlargement": one})
        for mine, other in zip(zip(*found, strict=True), map(_arrays, model(some)), strict=True):
            for pair in ((mine, other), (other, mine)):
                worst = np.maximum(worst, _apart(*pair))
    model.zoom = zoom
    return float(worst[0]), float(worst[1])


def _arrays(found: Detections) -> Arrays:
    return found["boxes"].numpy(), found["scores"].numpy(), found["labels"].numpy()


def _apart(first: Arrays, second: Arrays) -> np.ndarray:
    """How far the detections of the first are from those of the second with the same digits:
    pixels and score, the largest."""
    worst = np.zeros(2)
    for box, score, label in zip(*first, strict=True):
        if score <= _MIN_SCORE:
            continue
        same = second[2] == label
        if not same.any():
            return np.full(2, np.inf)
        pixels, scores = np.abs(second[0][same] - box).max(1), np.abs(second[1][same] - score)
        nearest = np.lexsort((scores, pixels > PIXELS))[0]
        worst = np.maximum(worst, [pixels[nearest], scores[nearest]])
    return worst
