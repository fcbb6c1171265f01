"""Targets, detections and records, made of lists or arrays."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from digits.types import Detections, Record, Target


def target(boxes: Any = (), labels: Any = (), image_id: int = 1) -> Target:
    return Target(
        boxes=_floats(boxes).reshape(-1, 4),
        labels=torch.as_tensor(np.asarray(labels, dtype=np.int64)),
        image_id=image_id,
    )


def detections(boxes: Any = (), scores: Any = (), labels: Any = ()) -> Detections:
    truth = target(boxes, labels)
    return Detections(boxes=truth["boxes"], scores=_floats(scores), labels=truth["labels"])


def one_by_one(found: list[tuple[Any, float, int]]) -> Detections:
    """Detections of (box, score, label)."""
    return detections(*zip(*found, strict=True)) if found else detections()


def record(found: Detections, image_id: int = 1, size: tuple[int, int] = (40, 90)) -> Record:
    """Detections in a photo of that `(height, width)`."""
    height, width = size
    return Record(
        **found, image_id=image_id, file_name=f"{image_id}.png", height=height, width=width
    )


def row(image_id: int, *digits: tuple[int, float], height: float = 20) -> Target:
    """Digits as (digit, left edge), 10 wide."""
    boxes = [[x, 2, x + 10, 2 + height] for _, x in digits]
    return target(boxes, [digit + 1 for digit, _ in digits], image_id)


def exact(truth: Target, score: float = 0.9, **changes: Any) -> Any:
    """Detections that are the truth, but for changes."""
    found = detections(truth["boxes"], [score] * len(truth["labels"]), truth["labels"])
    return {**found, **changes}


def _floats(values: Any) -> Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float32))


class GreyReader(nn.Module):
    """Finds one box on the left half of each photo; its label is the photo's grey level."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[tuple[int, ...]]] = []

    def forward(self, photos: list[Tensor]) -> list[Detections]:
        self.batches.append([tuple(photo.shape[1:]) for photo in photos])
        return [
            detections([[0, 0, photo.shape[2] / 2, photo.shape[1]]], [1], photo[0, 0, :1])
            for photo in photos
        ]
