"""Anchors on some of the pyramid maps, and the head that scores them; torch only."""

# mypy: allow-subclassing-any

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RPNHead

from digits.models.batch import PhotoBatch, as_tensor

_ALL_MAPS = slice(None)


class MapAnchors(NamedTuple):
    """The anchors of one feature map."""

    boxes: Tensor
    """float32 `(1, N, 4)`, or `(B, N, 4)` where they differ from photo to photo."""
    outside: Tensor | None
    """bool `(B, N)`: beyond what the photo is padded to; None: none is."""


class LevelAnchors(AnchorGenerator):
    """torchvision's anchor generator, on some of the feature maps.

    Args:
        sizes: per map used, the square roots of the anchors' areas, pixels.
        aspect_ratios: height / width, the same on each map.
        strides: of all maps that the backbone gives, pixels.
        levels: the maps used.
    """

    def __init__(
        self,
        sizes: Sequence[Sequence[float]],
        aspect_ratios: Sequence[float],
        strides: Sequence[int],
        levels: slice = _ALL_MAPS,
    ) -> None:
        super().__init__(
            tuple(tuple(map(float, level)) for level in sizes), (tuple(aspect_ratios),) * len(sizes)
        )
        self.strides = strides
        self.levels = levels

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        anchors: list[Tensor] = super().forward(image_list, feature_maps[self.levels])
        return anchors

    def of(self, batch: PhotoBatch, maps: Sequence[Tensor]) -> list[MapAnchors]:
        """The anchors of every map used, those that `forward` gives each photo by itself."""
        found = []
        used = zip(self.cell_anchors, maps[self.levels], self.strides[self.levels], strict=True)
        for cell, features, stride in used:
            height, width = features.shape[-2:]
            cells = -(-batch.padded // stride)  # (B, 2)
            steps = batch.padded // cells  # not the stride where a map's last cell is cut off
            own, which = np.unique(steps, axis=0, return_inverse=True)
            shape = tuple(map(tuple, cell.tolist())), height, width, features.device
            boxes = torch.cat([_grid(*shape, *step) for step in own.tolist()])
            if len(own) > 1:
                boxes = boxes.index_select(0, as_tensor(which, features.device))
            ends = np.arange(height)[:, None], np.arange(width)
            outside = (ends[0] >= cells[:, 0, None, None]) | (ends[1] >= cells[:, 1, None, None])
            found.append(MapAnchors(boxes, _flat(outside, len(cell), features.device)))
        return found


@lru_cache(maxsize=64)  # photos of a few shapes ask for the same ones over and over
def _grid(
    cell: tuple[tuple[float, ...], ...],
    height: int,
    width: int,
    device: torch.device,
    down: int,
    across: int,
) -> Tensor:
    """Anchors `(1, height * width * A, 4)` of a map, whose cells lie so many pixels apart."""
    y, x = np.mgrid[:height, :width] * np.reshape([down, across], (2, 1, 1))
    shifts = np.stack([x, y, x, y], -1).reshape(-1, 1, 4)
    anchors = (shifts + np.array(cell)).reshape(1, -1, 4).astype(np.float32)
    with torch.inference_mode(False):
        return as_tensor(anchors, device)


def _flat(outside: np.ndarray, anchors: int, device: torch.device) -> Tensor | None:
    """`(B, h, w)` of cells to `(B, N)` of their anchors; None where there are none."""
    if not outside.any():
        return None
    return as_tensor(outside.reshape(len(outside), -1).repeat(anchors, 1), device)


class LevelRPNHead(RPNHead):
    """torchvision's proposal head for the maps of `anchors`, with float32 outputs.

    Under autocast bfloat16 would hold a coordinate to 8 bits, so that a box at x = 300 would move
    by a pixel or two.

    Args:
        in_channels: of the feature maps.
        anchors: the generator that it predicts for.
        conv_depth: 3 x 3 convolutions before the predictions.
    """

    def __init__(self, in_channels: int, anchors: LevelAnchors, conv_depth: int = 1) -> None:
        super().__init__(in_channels, anchors.num_anchors_per_location()[0], conv_depth=conv_depth)
        self.levels = anchors.levels

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        logits, deltas = super().forward(x[self.levels])
        return [v.float() for v in logits], [v.float() for v in deltas]
