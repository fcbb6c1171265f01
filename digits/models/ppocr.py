"""The convolutions of PP-OCRv6's text recogniser under a feature pyramid; torch only."""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad
from torchvision.ops import FeaturePyramidNetwork

from digits.models.backbone_spec import BackboneSpec, normalised_head
from digits.models.ppocr_weights import load_ppocr, packaged
from digits.models.pyramid import run_stages
from digits.models.weights import pretrained

_WIDTHS = (96, 192, 384)  # channels of the stages
_BLOCKS = (3, 6, 2)  # blocks per stage


def _padded(x: Tensor) -> Tensor:
    """Zeros at the right and the bottom of a map, so that a 2 x 2 layer keeps its size.

    They do for max pooling too, since its input is never negative.
    """
    return pad(x, (0, 1, 0, 1))


class _Same(nn.Sequential):
    """A 2 x 2 layer of stride 1, padded."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self[0](_padded(x))
        return y


class _Mean(nn.AdaptiveAvgPool2d):
    """The mean of a map, in fewer calls than its base class or `mean` takes."""

    def __init__(self) -> None:
        super().__init__(1)

    def forward(self, x: Tensor) -> Tensor:
        return avg_pool2d(x, (x.shape[2], x.shape[3]))


class _Stem(nn.Module):
    """Photos `(B, 3, H, W)` to a map of `channels` at stride 4."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.first = nn.Sequential(nn.Conv2d(3, half, 3, 2, 1), nn.ReLU(inplace=True))
        self.branch = nn.Sequential(
            nn.Sequential(nn.Conv2d(half, half // 2, 2)),
            nn.ReLU(inplace=True),
            _Same(nn.Conv2d(half // 2, half, 2)),
            nn.ReLU(inplace=True),
        )
        self.pool = nn.MaxPool2d(2, 1)
        self.last = nn.Sequential(
            nn.Conv2d(channels, half, 3, 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, channels, 1),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = _padded(self.first(x))
        y: Tensor = self.last(torch.cat([self.pool(x), self.branch(x)], 1))
        return y


class _Block(nn.Module):
    """A depthwise convolution, in some blocks squeeze and excitation, and a two-layer residual."""

    def __init__(self, channels: int, gated: bool) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.gate = _gate(channels) if gated else None
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1), nn.GELU(), nn.Conv2d(2 * channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.depthwise(x)
        if self.gate is not None:
            x = x * self.gate(x)
        y: Tensor = x + self.layers(x)
        return y


def _gate(channels: int) -> nn.Module:
    """Squeeze and excitation (Hu et al. 2018, arXiv 1709.01507)."""
    return nn.Sequential(
        _Mean(),
        nn.Conv2d(channels, channels // 4, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels // 4, channels, 1),
        nn.Hardsigmoid(),
    )


def _stage(channels: int, blocks: int) -> nn.Sequential:
    gated = (i % 2 == 0 and i < blocks - 1 for i in range(blocks))
    return nn.Sequential(*(_Block(channels, gate) for gate in gated))


def _down(channels: int, wider: int, stride: int | tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, stride, 1, groups=channels),
        nn.Conv2d(channels, wider, 1),
        nn.GELU(),
        nn.Conv2d(wider, wider, 1),
    )


class TextFPN(nn.Module):
    """The recogniser's first stages and a feature pyramid of two maps, at strides 4 and 8.

    PP-OCR halves only the height after stride 4, since a line of text is read along its width. So
    do all three stages here; the first two alone halve the width as well, in half the time.

    Args:
        out_channels: channels of both maps.
        stages: 2 or 3 of the recogniser's three.
    """

    def __init__(self, out_channels: int, stages: int = 2) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.halves_width = stages == 2
        widths = _WIDTHS[:stages]
        self.stem = _Stem(widths[0])
        self.stages = nn.ModuleList([_stage(widths[0], _BLOCKS[0])])
        for (channels, wider), blocks in zip(pairwise(widths), _BLOCKS[1:], strict=False):
            down = _down(channels, wider, 2 if self.halves_width else (2, 1))
            self.stages.append(nn.Sequential(down, *_stage(wider, blocks)))
        self.fpn = FeaturePyramidNetwork(list(widths), out_channels, norm_layer=nn.BatchNorm2d)
        self.fpn.layer_blocks[0] = nn.Identity()  # the finest map is only pooled from
        if stages == 3:
            self.fpn.layer_blocks[2] = nn.Identity()  # the third map is only added to the others

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = run_stages(self.stem(x), self.stages, self.fpn)
        if self.halves_width:
            return maps
        return OrderedDict({"0": maps["0"], "1": maps["1"][..., ::2]})


def ppocr_fpn(
    weights: str = "ppocr", out_channels: int = 96, box_head_width: int = 256, stages: int = 2
) -> BackboneSpec:
    """The convolutions of PP-OCRv6 (small)'s text recogniser as a backbone, see `TextFPN`.

    Args:
        weights: `ppocr` (of the installed rapidocr), `none`, or a file with a detector's state
            dict.
        out_channels: channels of every pyramid level.
        box_head_width: units in the two layers of the box head.
        stages: 2 or 3 of the recogniser's three; 3, as wide as PP-OCR has them, take twice the
            time.

    Raises:
        DigitsError: rapidocr or onnx is missing, or holds another network.
    """
    features, state = TextFPN(out_channels, stages), None
    if weights == "ppocr":
        load_ppocr([features.stem, features.stages], packaged())
    else:
        state = pretrained(weights, features, other_names=("ppocr",))
    head = normalised_head(box_head_width)
    return BackboneSpec(features, (4, 8), box_head=head, maskable=True, state=state)
