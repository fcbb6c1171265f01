"""Resize, normalise and batch photos for the detector; torch only."""

# mypy: allow-subclassing-any

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from digits.models.batch import PhotoBatch, Truth, as_tensor, pad_truth
from digits.models.resizing import alike, pack, resize
from digits.types import Target

LONG_STEP = 32  # (pixels) in evaluation, long sides are padded to multiples of it


class PhotoTransform(nn.Module):
    """Resizes, normalises and pads photos, bytes or floats, with antialiasing.

    torchvision's shrinks without a filter, which breaks the thin strokes of digits in large photos.

    Args:
        min_size: short side of the resized photo, pixels, as a list; of several, training draws
            one and evaluation takes the last.
        max_size: bound on the long side, pixels.
        image_mean: of the channels R, G, B in 0..1, to subtract.
        image_std: of the same, to divide by.
        size_divisible: the sides of a batch are padded to multiples of it, pixels.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        min_size: Sequence[int],
        max_size: int,
        image_mean: Sequence[float],
        image_std: Sequence[float],
        size_divisible: int,
    ) -> None:
        super().__init__()
        self.min_size, self.max_size = list(min_size), max_size
        for name, values in (("mean", image_mean), ("std", image_std)):
            levels = 255 * torch.tensor(values)[:, None]  # of bytes, (3, 1)
            self.register_buffer(name, levels, persistent=False)
        self.size_divisible = size_divisible

    def forward(
        self, images: Sequence[Tensor], targets: Sequence[Target], device: torch.device
    ) -> tuple[PhotoBatch, Truth]:
        """For training: all photos in one batch, and their true digits in its pixels.

        Args:
            images: uint8 in 0..255 or float in 0..1, each `(3, H, W)`.
            targets: one per photo; they are not changed.
            device: where the batch is wanted.

        Raises:
            ValueError: a box without area.
        """
        shapes = _shapes(images)
        several = len(self.min_size) > 1
        drawn = torch.randint(len(self.min_size), (len(images),)).numpy() if several else 0
        sizes = self._sizes(shapes, np.array(self.min_size)[drawn], self.max_size)
        step = self.size_divisible
        padded = np.broadcast_to(-(-sizes.max(0) // step) * step, sizes.shape)
        chosen, batch = self._batch(images, shapes, sizes, padded, device)
        scales = (sizes.astype(np.float32) / shapes.astype(np.float32))[chosen]
        return batch, pad_truth([targets[i] for i in chosen], scales, device)

    def batches(
        self,
        images: Sequence[Tensor],
        device: torch.device,
        enlargement: float | np.ndarray = 1.0,
        together: bool = False,
    ) -> Iterator[tuple[list[int], PhotoBatch]]:
        """For evaluation: batches in which every photo is padded by its own size alone.

        Args:
            images: see `forward`.
            device: where the batches are wanted.
            enlargement: factor on `min_size` and `max_size`, of each photo or of all.
            together: put photos of several padded sizes into a batch, unless their padding would
                outweigh them, rather than those of one padded size.

        Yields:
            Indices of photos, and their batch.
        """
        shapes = _shapes(images)
        bounds = np.array([self.min_size[-1], self.max_size])
        short, long = np.rint(np.multiply.outer(bounds, np.broadcast_to(enlargement, len(images))))
        sizes = self._sizes(shapes, short, long)
        padded = self._padded(sizes)
        for group in alike(padded) if together else _equal(padded):
            some = [images[i] for i in group]
            chosen, batch = self._batch(some, shapes[group], sizes[group], padded[group], device)
            yield [group[i] for i in chosen], batch

    def _batch(
        self,
        images: Sequence[Tensor],
        shapes: np.ndarray,
        sizes: np.ndarray,
        padded: np.ndarray,
        device: torch.device,
    ) -> tuple[list[int], PhotoBatch]:
        """A batch, and the order of photos in it."""
        height, width = padded.max(0).tolist()
        parts = alike(shapes)
        tensors = []
        for part in parts:
            photos = as_tensor(pack([images[i] for i in part]), device)
            # Of mean 0 before they are resized, so that they are padded with the mean.
            photos = (photos - self.mean) / self.std
            tensors.append(resize(photos, shapes[part], sizes[part], height, width))
        chosen = [i for part in parts for i in part]
        limits = as_tensor(sizes[chosen][:, [1, 0, 1, 0]].astype(np.float32), device)
        whole = tensors[0] if len(tensors) == 1 else torch.cat(tensors)
        return chosen, PhotoBatch(whole, sizes[chosen], padded[chosen], limits)

    def _sizes(self, shapes: np.ndarray, short: np.ndarray, long: np.ndarray | int) -> np.ndarray:
        """Heights and widths `(B, 2)` of resized photos."""
        scales = np.minimum(short / shapes.min(1), long / shapes.max(1))
        sizes: np.ndarray = np.maximum(1, np.rint(shapes * scales[:, None])).astype(np.int64)
        return sizes

    def _padded(self, sizes: np.ndarray) -> np.ndarray:
        """What resized photos are padded to: long sides in coarser steps, so that more photos are
        of one size."""
        step = self.size_divisible
        steps = np.full(sizes.shape, step)
        wide = sizes[:, 1] >= sizes[:, 0]
        steps[np.arange(len(sizes)), wide.astype(int)] = max(step, LONG_STEP)
        padded: np.ndarray = -(-sizes // steps) * steps
        return padded


def _shapes(images: Sequence[Tensor]) -> np.ndarray:
    return np.array([image.shape[-2:] for image in images]).reshape(-1, 2)


def _equal(shapes: np.ndarray) -> list[list[int]]:
    """Indices of photos, those of one size together."""
    groups: dict[tuple[int, int], list[int]] = {}
    for index, (height, width) in enumerate(shapes.tolist()):
        groups.setdefault((height, width), []).append(index)
    return list(groups.values())
