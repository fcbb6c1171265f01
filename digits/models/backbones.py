"""Feature extractors, each with the heads that belong to it; torch only, no Lightning.

A backbone is called by `digits.models.detector.build_detector`, which adds anchors, RoI pooling
and the class predictor, so that levels and anchors agree by construction.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead
from torchvision.models.resnet import BasicBlock, resnet50
from torchvision.ops import Conv2dNormActivation, FeaturePyramidNetwork

from digits.models.weights import load_backbone_weights, load_coco_weights


class Parts(NamedTuple):
    """What a backbone contributes to a detector."""

    features: nn.Module
    """Photos `(B, 3, H, W)` to an OrderedDict of maps `(B, out_channels, h, w)`, finest first;
    has `out_channels`."""
    levels: int
    """Number of maps, the pooled extra one included."""
    rpn_convs: int
    """3 x 3 convolutions in the region proposal head."""
    box_head: Callable[[int, int], nn.Module]
    """Makes the RoI head from (channels, RoI side in cells)."""
    state: dict[str, Tensor] | None = None
    """Weights of a whole trained detector, to be loaded after assembly."""


class SmallFPN(nn.Module):
    """A residual network of basic blocks at strides 4, 8 and 16 with a feature pyramid.

    Made for photos of about 100 pixels on a CPU, trained from scratch: plain 3 x 3 convolutions
    (depthwise ones save arithmetic but no CPU time) and stride-4 features, since a digit is only
    some 14 x 29 pixels.

    Args:
        widths: channels of the stem and of the three stages.
        blocks: residual blocks per stage.
        out_channels: channels of every pyramid level.
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], out_channels: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.stem = Conv2dNormActivation(3, widths[0], 3, stride=2)
        stages = []
        for before, width, count in zip(widths[:-1], widths[1:], blocks, strict=True):
            shortcut = Conv2dNormActivation(before, width, 1, stride=2, activation_layer=None)
            first = BasicBlock(before, width, stride=2, downsample=shortcut)
            stages.append(
                nn.Sequential(first, *(BasicBlock(width, width) for _ in range(count - 1)))
            )
        self.stages = nn.ModuleList(stages)
        self.fpn = FeaturePyramidNetwork(list(widths[1:]), out_channels, norm_layer=nn.BatchNorm2d)
        # The finest map is only pooled from: smoothing it costs an eighth of the whole network.
        self.fpn.layer_blocks[0] = nn.Identity()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.stem(x)
        maps = OrderedDict()
        for level, stage in enumerate(self.stages):
            x = stage(x)
            maps[str(level)] = x
        features: dict[str, Tensor] = self.fpn(maps)
        return features


def small_fpn(
    widths: Sequence[int] = (24, 48, 96, 160),
    blocks: Sequence[int] = (1, 2, 2),
    out_channels: int = 64,
    box_head_width: int = 256,
    weights: str = "none",
) -> Parts:
    """The CPU default: see `SmallFPN`. `weights` is `none` or a file."""
    features = SmallFPN(widths, blocks, out_channels)

    def box_head(channels: int, side: int) -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten()]
        for width in (channels * side * side, box_head_width):
            # Normalised, since it learns from scratch: plain layers stall for several epochs.
            layers += [nn.Linear(width, box_head_width, bias=False)]
            layers += [nn.BatchNorm1d(box_head_width), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers)

    state = load_coco_weights(weights, None)
    return Parts(features, len(blocks), 1, box_head, state)


def resnet50_fpn_v2(weights: str = "coco", trainable_layers: int = 3) -> Parts:
    """ResNet-50 FPN with the improved recipe's heads (Li et al. 2021, arXiv 2111.11429).

    The same modules as torchvision's `fasterrcnn_resnet50_fpn_v2`, live batch normalisation
    included.

    Args:
        weights: `coco` (the whole detector), `imagenet` (the ResNet), `none`, or a file.
        trainable_layers: stages that train, from the last, 0..5; without weights all do.
    """
    from torchvision.models import ResNet50_Weights
    from torchvision.models.detection import FasterRCNN_ResNet50_FPN_V2_Weights

    body = resnet50()
    if weights == "imagenet":
        load_backbone_weights(body, ResNet50_Weights.IMAGENET1K_V2)
    state = load_coco_weights(weights, FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1)
    trainable = 5 if weights == "none" else trainable_layers
    features = _resnet_fpn_extractor(body, trainable, norm_layer=nn.BatchNorm2d)

    def box_head(channels: int, side: int) -> nn.Module:
        convs = [256, 256, 256, 256]
        return FastRCNNConvFCHead((channels, side, side), convs, [1024], nn.BatchNorm2d)

    return Parts(features, 5, 2, box_head, state)
