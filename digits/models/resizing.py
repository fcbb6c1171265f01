"""Resize photos of many sizes at once, by two matrix products; torch only."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from digits.models.batch import as_array, as_tensor

_WASTE = 4.0  # photos are resized together until their tensor is so many times as large as they are


def alike(shapes: np.ndarray) -> list[list[int]]:
    """Group photos of similar size, so that padding them to one size costs little.

    Args:
        shapes: int `(N, 2)`, height and width.

    Returns:
        Their indices, in parts.
    """
    parts: list[list[int]] = []
    area, most = 0, (0, 0)
    for index in shapes.prod(1).argsort(kind="stable").tolist():
        height, width = shapes[index].tolist()
        area, most = area + height * width, (max(most[0], height), max(most[1], width))
        if not parts or (len(parts[-1]) + 1) * most[0] * most[1] > _WASTE * area:
            parts.append([])
            area, most = height * width, (height, width)
        parts[-1].append(index)
    return parts


def pack(photos: Sequence[Tensor]) -> np.ndarray:
    """Photos `(3, H, W)` in one array `(B, H, 3, W)`, as bytes if all are; else as floats up to
    255."""
    arrays = [as_array(photo) for photo in photos]
    height, width = (max(array.shape[axis] for array in arrays) for axis in (1, 2))
    bytes_only = all(array.dtype == np.uint8 for array in arrays)
    packed = np.zeros((len(arrays), height, 3, width), np.uint8 if bytes_only else np.float32)
    for row, array in zip(packed, arrays, strict=True):
        part = row[: array.shape[1], :, : array.shape[2]].transpose(1, 0, 2)
        part[...] = array if array.dtype == np.uint8 else array * np.float32(255)
    return packed


def resize(
    photos: Tensor, shapes: np.ndarray, sizes: np.ndarray, height: int, width: int
) -> Tensor:
    """Bilinear interpolation, antialiased where photos shrink: `interpolate` of torch, batched.

    Args:
        photos: float32 `(B, H, 3, W)`.
        shapes: int `(B, 2)`, height and width of each photo in it.
        sizes: int `(B, 2)`, what they are resized to.
        height: of the result; what lies beyond a photo's size is 0.
        width: of the result.

    Returns:
        float32 `(B, 3, height, width)`, channels last in memory.
    """
    count, rows, channels, columns = photos.shape
    vertical = _weights(shapes[:, 0], sizes[:, 0], rows, height).transpose(0, 2, 1)
    horizontal = _weights(shapes[:, 1], sizes[:, 1], columns, width)
    down, across = (as_tensor(matrix, photos.device) for matrix in (vertical, horizontal))
    with torch.autocast(photos.device.type, enabled=False):
        wide = torch.bmm(photos.view(count, rows * channels, columns), across)
        both = torch.bmm(down, wide.view(count, rows, channels * width))
    both = both.view(count, height, channels, width).permute(0, 2, 1, 3)
    return both.contiguous(memory_format=torch.channels_last)


def _weights(old: np.ndarray, new: np.ndarray, inputs: int, outputs: int) -> np.ndarray:
    """What each pixel adds to each resized one: float32 `(B, inputs, outputs)`.

    A triangle about the middle of the resized pixel, as wide as the coarser of both grids.
    """
    scale = (old / new).astype(np.float32)[:, None, None]
    sources = np.arange(inputs, dtype=np.float32)[:, None] + np.float32(0.5)
    middles = (np.arange(outputs, dtype=np.float32) + np.float32(0.5)) * scale
    weights: np.ndarray = np.abs(sources - middles)
    weights *= -1 / np.maximum(scale, 1)
    weights += 1
    np.maximum(weights, 0, out=weights)
    for row, end, last in zip(weights, old.tolist(), new.tolist(), strict=True):
        row[end:] = 0
        row[:, last:] = 0
    weights /= np.maximum(weights.sum(1, keepdims=True), np.float32(1e-6))
    return weights
