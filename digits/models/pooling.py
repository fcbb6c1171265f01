"""RoI features from a pyramid, for a whole batch at once; torch only."""

# mypy: allow-subclassing-any

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import MultiScaleRoIAlign, roi_align

from digits.models.batch import as_array, as_tensor


class RoIPool(MultiScaleRoIAlign):
    """torchvision's RoIAlign over a pyramid, for the boxes of all photos in one tensor.

    Args:
        strides: of the maps pooled from, pixels.
        side: of the features of a box, cells.
        sampling: points per cell side.
    """

    def __init__(self, strides: Sequence[int], side: int, sampling: int) -> None:
        super().__init__([str(level) for level in range(len(strides))], side, sampling)
        self.strides = strides
        # The map of a box by its size (Lin et al. 2017, eq. 1): from these areas on, the next one.
        first, last = strides[0].bit_length(), strides[-1].bit_length()
        ends = [level - self.canonical_level - 1e-6 for level in range(first, last)]
        areas = torch.tensor([(self.canonical_scale * 2.0**end) ** 2 for end in ends])
        self.register_buffer("areas", areas, persistent=False)

    def pool(self, maps: Sequence[Tensor], regions: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features of boxes, ordered by the map that they are pooled from.

        Args:
            maps: `(B, channels, h, w)` each.
            regions: `(N, 5)`: the photo that each box is in, and the box.

        Returns:
            `(N, channels, side, side)`, and the region `(N,)` of each row; None: in their order.
        """
        if len(self.strides) == 1:
            return self._align(maps[0], regions, self.strides[0]), None
        _, low, high = regions.split_with_sizes([1, 2, 2], 1)
        levels = as_array(torch.bucketize((high - low).prod(1), self.areas, right=True))
        counts = np.bincount(levels, minlength=len(self.strides)).tolist()
        training = torch.is_grad_enabled()  # then every map needs a gradient, if only of zeros
        if len(regions) in counts and not training:
            level = counts.index(len(regions))
            return self._align(maps[level], regions, self.strides[level]), None
        order = as_tensor(levels.argsort(kind="stable"), regions.device)
        parts = regions.index_select(0, order).split_with_sizes(counts)
        pooled = [
            self._align(*part)
            for part in zip(maps, parts, self.strides, strict=False)
            if training or len(part[1])
        ]
        return torch.cat(pooled), order

    def _align(self, features: Tensor, regions: Tensor, stride: int) -> Tensor:
        pooled: Tensor = roi_align(
            features, regions, self.output_size, 1 / stride, self.sampling_ratio
        )
        return pooled
