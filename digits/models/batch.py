"""Padded batches of photos, boxes and targets; torch only."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from digits.types import Target

Losses = dict[str, Tensor]
"""Training losses by name."""


class PhotoBatch(NamedTuple):
    """Resized photos in one tensor.

    Attributes:
        tensors: float32 `(B, 3, H, W)`, normalised, padded with zeros, channels last in memory.
        sizes: int `(B, 2)`, height and width of each photo in it.
        padded: int `(B, 2)`, what each photo is padded to as far as its detections go. Where
            that is less than H x W, what lies beyond must have no effect (`digits.models.masks`).
        limits: float32 `(B, 4)` where the pixels are: width, height, width, height.
    """

    tensors: Tensor
    sizes: np.ndarray
    padded: np.ndarray
    limits: Tensor

    @property
    def uniform(self) -> bool:
        """Whether every photo is padded to the whole."""
        return bool((self.padded == self.tensors.shape[-2:]).all())


class Truth(NamedTuple):
    """The true digits of a batch, padded to as many as the richest photo has, at least one."""

    boxes: Tensor
    """float32 `(B, T, 4)` in pixels of the batch."""
    labels: Tensor
    """float32 `(B, T)`, 0 where there is none."""
    real: Tensor
    """bool `(B, T)`."""


class Boxes(NamedTuple):
    """Boxes of a batch, padded."""

    boxes: Tensor
    """float32 `(B, N, 4)` in pixels of the batch."""
    real: Tensor
    """bool `(B, N)`: whether there is one."""


def pad_truth(targets: Sequence[Target], scales: np.ndarray, device: torch.device) -> Truth:
    """The targets of a batch.

    Args:
        targets: they are not changed.
        scales: float32 `(B, 2)`, pixels of the batch per pixel of the photo, down and across.
        device: where they are wanted.

    Raises:
        ValueError: a box without area.
    """
    counts = [len(target["boxes"]) for target in targets]
    boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (len(targets), max([1, *counts]), 1))
    labels = np.zeros(boxes.shape[:2], dtype=np.float32)
    for row, (target, count) in enumerate(zip(targets, counts, strict=True)):
        boxes[row, :count] = as_array(target["boxes"]) * scales[row, [1, 0, 1, 0]]
        labels[row, :count] = as_array(target["labels"])
    if not (boxes[..., 2:] > boxes[..., :2]).all():
        raise ValueError("Expected target boxes with x1 < x2 and y1 < y2.")
    real = np.arange(boxes.shape[1]) < np.array(counts)[:, None]
    return Truth(*(as_tensor(values, device) for values in (boxes, labels, real)))


def as_array(values: Tensor) -> np.ndarray:
    """The numbers of a tensor, by DLPack, which costs no operations of torch."""
    if values.requires_grad or values.device.type != "cpu":
        values = values.detach().cpu()
    return np.from_dlpack(values)


def as_tensor(values: np.ndarray, device: torch.device) -> Tensor:
    """The inverse of `as_array`, on a device."""
    tensor: Tensor = from_dlpack(values)
    return tensor if device.type == "cpu" else tensor.to(device, non_blocking=True)
