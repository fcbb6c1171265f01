"""The description of a backbone for a detector, and box heads; torch only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import TwoMLPHead

from digits.errors import DigitsError, one_line

BoxHead = Callable[[int, int], nn.Module]
"""Makes a box head, `(N, channels, side, side)` to `(N, width)`, from channels and side."""


def two_layer_head(channels: int, side: int) -> nn.Module:
    """torchvision's box head: two linear layers of 1024 units."""
    head: nn.Module = TwoMLPHead(channels * side * side, 1024)
    return head


def normalised_head(width: int) -> BoxHead:
    """A box head with batch normalisation; without it, training from scratch stalls for epochs.

    Args:
        width: units of both linear layers.
    """

    def build(channels: int, side: int) -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs in (channels * side * side, width):
            layers += [nn.Linear(inputs, width, bias=False)]
            layers += [nn.BatchNorm1d(width), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers)

    return build


@dataclass(frozen=True)
class BackboneSpec:
    """A feature extractor and what a detector needs to know of it.

    Args:
        features: photos `(B, 3, H, W)` to an OrderedDict of feature maps
            `(B, out_channels, h, w)`, finest first; has the attribute `out_channels`.
        strides: pixels of the photo per cell of each map.
        extra_map: whether the last map serves the proposals alone and is not pooled from.
        rpn_convs: 3 x 3 convolutions in the region proposal head.
        box_head: see `BoxHead`.
        anchor_sizes: torchvision's anchors per map, the square root of their area in pixels;
            None: 32, 64, ...
        maskable: whether neighbouring cells meet only in `nn.Conv2d`, `nn.AdaptiveAvgPool2d(1)` and
            `nn.MaxPool2d` of maps that are never negative: then photos of several padded sizes can
            share a batch (`digits.models.masks`).
        state: state dict of a whole trained detector, to be loaded once it is assembled.
    """

    features: nn.Module
    strides: tuple[int, ...]
    extra_map: bool = False
    rpn_convs: int = 1
    box_head: BoxHead = two_layer_head
    anchor_sizes: tuple[tuple[float, ...], ...] | None = None
    maskable: bool = False
    state: dict[str, Tensor] | None = None

    @property
    def out_channels(self) -> int:
        """Channels of every feature map."""
        return cast(int, self.features.out_channels)

    @property
    def pooled_strides(self) -> tuple[int, ...]:
        """Strides of the maps that box features are pooled from."""
        return self.strides[:-1] if self.extra_map else self.strides


@torch.no_grad()
def check_maps(backbone: BackboneSpec) -> None:
    """Run a backbone on a small black photo and compare its maps with what it says of them.

    Raises:
        DigitsError: it fails, or gives other maps.
    """
    if not isinstance(backbone, BackboneSpec):
        raise DigitsError(f"backbone: expected a BackboneSpec, got a {type(backbone).__name__}.")
    features, height = backbone.features, max(64, *backbone.strides)
    training = features.training
    try:
        maps = features.eval()(torch.zeros(1, 3, height, 2 * height))
    except Exception as error:  # whatever code of others raises
        text = f"{type(error).__name__}: {one_line(error)[:200]}"
        raise DigitsError(
            f"backbone: fails on a photo of {2 * height} x {height} pixels ({text})."
        ) from error
    finally:
        features.train(training)
    expected = [
        (1, backbone.out_channels, -(-height // stride), -(-2 * height // stride))
        for stride in backbone.strides
    ]
    got = (
        [tuple(v.shape) for v in maps.values()]
        if isinstance(maps, Mapping)
        else type(maps).__name__
    )
    if got != expected:
        raise DigitsError(
            f"backbone: of a photo of {2 * height} x {height} pixels and strides "
            f"{list(backbone.strides)}, expected the maps {expected}, got {got}."
        )
