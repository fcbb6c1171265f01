"""Mask the padding of photos of several sizes in one batch; torch only.

A network sees padding: convolutions at the edge, squeeze and excitation in its means. So what lies
beyond a photo's own padded size is set to zero, what convolutions take for the outside, before
every layer that looks at neighbours. Then a batch can hold photos of any sizes without an effect
of one on another, which a GPU wants; a processor rather has them one size at a time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from torch import Tensor, nn

from digits.models.batch import PhotoBatch, as_tensor


class _Masks:
    """Masks of a batch for maps of any size."""

    def __init__(self, batch: PhotoBatch) -> None:
        self.batch = batch
        self.known: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def of(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """For a map `(B, C, h, w)`: 1 for the cells of the photo and 0 beyond, `(B, 1, h, w)`, and
        how many times as many cells the map has as the photo, `(B, 1, 1, 1)`."""
        size = (x.shape[2], x.shape[3])
        if size not in self.known:
            cells = _cells(self.batch, size)
            rows, columns = (np.arange(n) < cells[:, axis, None] for axis, n in enumerate(size))
            inside = (rows[:, None, :, None] & columns[:, None, None]).astype(np.float32)
            share = (size[0] * size[1] / cells.prod(1)[:, None, None, None]).astype(np.float32)
            self.known[size] = as_tensor(inside, x.device), as_tensor(share, x.device)
        return self.known[size]


def _cells(batch: PhotoBatch, size: tuple[int, int]) -> np.ndarray:
    """Cells of each photo `(B, 2)` in a map of that size, whose strides are powers of two."""
    ratios = [-(-whole // n) for whole, n in zip(batch.tensors.shape[-2:], size, strict=True)]
    return np.asarray(-(-batch.padded // [1 << (ratio - 1).bit_length() for ratio in ratios]))


_masks: ContextVar[_Masks | None] = ContextVar("masks", default=None)


@contextmanager
def masked(batch: PhotoBatch) -> Iterator[None]:
    """Within the block, the layers of `mask_padding` see each photo of the batch alone."""
    token = _masks.set(None if batch.uniform else _Masks(batch))
    try:
        yield
    finally:
        _masks.reset(token)


def mask_padding(network: nn.Module) -> None:
    """Register hooks that mask the padding before layers that look at neighbours."""
    for layer in network.modules():
        if isinstance(layer, nn.AdaptiveAvgPool2d):
            layer.register_forward_pre_hook(_blank)
            layer.register_forward_hook(_mean)
        elif isinstance(layer, nn.Conv2d | nn.MaxPool2d) and _reach(layer) > 1:
            layer.register_forward_pre_hook(_blank)


def _reach(layer: nn.Module) -> int:
    size: Any = layer.kernel_size
    reach: int = max(size) if isinstance(size, tuple) else size
    return reach


def _blank(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor] | None:
    masks = _masks.get()
    return None if masks is None else (inputs[0] * masks.of(inputs[0])[0],)


def _mean(_: nn.Module, inputs: tuple[Tensor], mean: Tensor) -> Tensor | None:
    masks = _masks.get()
    return None if masks is None else mean * masks.of(inputs[0])[1]


def repeat_edges(x: Tensor, batch: PhotoBatch) -> Tensor:
    """A map `(B, C, h, w)` with each photo's last row and column repeated once, where RoIAlign
    looks for neighbours just beyond the photo.

    The map is changed in place.
    """
    if batch.uniform:
        return x
    height, width = x.shape[2], x.shape[3]
    cells = _cells(batch, (height, width))
    row, column = np.arange(height)[:, None], np.arange(width)
    down, across = (cells - 1).T[..., None, None]  # the last of each photo
    beyond = (row == down + 1) & (column <= across + 1) | (column == across + 1) & (row <= down)
    photo = np.arange(len(x))[:, None, None] * height
    source = (photo + np.minimum(row, down)) * width + np.minimum(column, across)
    flat = x.permute(0, 2, 3, 1).flatten(0, 2)
    edges = flat.index_select(0, as_tensor(source[beyond], x.device))
    flat.index_copy_(0, as_tensor(np.flatnonzero(beyond), x.device), edges)
    return flat.view(len(x), height, width, -1).permute(0, 3, 1, 2)
