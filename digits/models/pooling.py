"""Features of boxes from a pyramid, for a whole batch at once; torch only."""

# mypy: allow-subclassing-any

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import MultiScaleRoIAlign, roi_align

from digits.models.boxes import constant


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

    def pool(self, maps: Sequence[Tensor], boxes: Tensor, photos: Tensor) -> Tensor:
        """Features `(N, channels, side, side)` of boxes `(N, 4)` in photos, float `(N, 1)`."""
        regions = torch.cat([photos, boxes], 1)
        if len(self.strides) == 1:
            return self._align(maps[0], regions, self.strides[0])
        low, high = boxes.split_with_sizes([2, 2], 1)
        levels = torch.bucketize((high - low).prod(1), self.areas, right=True)
        training = torch.is_grad_enabled()  # then every map needs a gradient, if only of zeros
        pooled = boxes.new_zeros(len(boxes), maps[0].shape[1], *self.output_size)
        for level, (features, stride) in enumerate(zip(maps, self.strides, strict=False)):
            here = (levels == constant(level, boxes.device)).nonzero().squeeze(1)
            if len(here) == len(boxes) and not training:
                return self._align(features, regions, stride)
            if len(here) or training:
                pooled[here] = self._align(features, regions[here], stride)
        return pooled

    def _align(self, features: Tensor, regions: Tensor, stride: int) -> Tensor:
        pooled: Tensor = roi_align(
            features, regions, self.output_size, 1 / stride, self.sampling_ratio
        )
        return pooled
