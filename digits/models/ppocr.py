"""The network that PP-OCRv6 reads lines of text with, under a feature pyramid; torch only."""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torchvision.ops import FeaturePyramidNetwork

from digits.models.parts import Parts, normalised_head, run_stages
from digits.models.ppocr_weights import load_ppocr, packaged
from digits.models.weights import pretrained

_WIDTHS = (96, 192, 384)  # channels of the stages
_BLOCKS = (3, 6, 2)


class _Same(nn.Sequential):
    """A layer of 2 x 2 cells that keeps the size of a map without negative values."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = super().forward(pad(x, (0, 1, 0, 1)))
        return y


class _Stem(nn.Module):
    """Photos to `channels` at stride 4."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.first = nn.Sequential(nn.Conv2d(3, half, 3, 2, 1), nn.ReLU(inplace=True))
        self.branch = nn.Sequential(
            _Same(nn.Conv2d(half, half // 2, 2)),
            nn.ReLU(inplace=True),
            _Same(nn.Conv2d(half // 2, half, 2)),
            nn.ReLU(inplace=True),
        )
        self.pool = _Same(nn.MaxPool2d(2, 1))
        self.last = nn.Sequential(
            nn.Conv2d(channels, half, 3, 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, channels, 1),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        y: Tensor = self.last(torch.cat([self.pool(x), self.branch(x)], 1))
        return y


class _Block(nn.Module):
    """A depthwise convolution, a gate on the channels in some, then two layers of each cell."""

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
        nn.AdaptiveAvgPool2d(1),
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
    """The network's stages with a feature pyramid of two maps, at strides 4 and 8.

    PP-OCR halves only the height after stride 4, since a line is read along its width. The whole
    network does so here; the first two stages alone halve the width as well, in half the time.

    Args:
        out_channels: channels of both maps.
        whole: all three stages.
    """

    def __init__(self, out_channels: int, whole: bool = False) -> None:
        super().__init__()
        self.out_channels, self.whole = out_channels, whole
        widths = _WIDTHS if whole else _WIDTHS[:2]
        self.stem = _Stem(widths[0])
        self.stages = nn.ModuleList([_stage(widths[0], _BLOCKS[0])])
        for (channels, wider), blocks in zip(pairwise(widths), _BLOCKS[1:], strict=False):
            down = _down(channels, wider, (2, 1) if whole else 2)
            self.stages.append(nn.Sequential(down, *_stage(wider, blocks)))
        self.fpn = FeaturePyramidNetwork(list(widths), out_channels, norm_layer=nn.BatchNorm2d)
        self.fpn.layer_blocks[0] = nn.Identity()  # the finest map is only pooled from
        if whole:
            self.fpn.layer_blocks[2] = nn.Identity()  # the third only adds to the others

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = run_stages(self.stem(x), self.stages, self.fpn)
        if self.whole:
            return OrderedDict({"0": maps["0"], "1": maps["1"][..., ::2]})
        return maps


def ppocr_fpn(
    weights: str = "ppocr",
    out_channels: int = 96,
    box_head_width: int = 256,
    whole: bool = False,
) -> Parts:
    """What PP-OCRv6 (small) reads text with, for digits: see `TextFPN`.

    Args:
        weights: `ppocr` (of the installed rapidocr), `none`, or a file with a detector's state.
        out_channels: channels of every pyramid level.
        box_head_width: units in the two layers that judge a box.
        whole: all three stages, as wide as PP-OCR has them: twice the time.

    Raises:
        DigitsError: rapidocr or onnx is missing, or holds another network.
    """
    features, state = TextFPN(out_channels, whole), None
    if weights == "ppocr":
        load_ppocr([features.stem, features.stages], packaged())
    else:
        state = pretrained(weights, features, elsewhere=("ppocr",))
    head = normalised_head(box_head_width)
    return Parts(features, (4, 8), box_head=head, state=state)
