"""The CPU default: a small residual network for small photos; torch only."""

from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock
from torchvision.ops import Conv2dNormActivation, FeaturePyramidNetwork

from digits.errors import DigitsError
from digits.models.backbone_spec import BackboneSpec, normalised_head
from digits.models.layers import StridedPointwise
from digits.models.pyramid import run_stages
from digits.models.weights import pretrained


class SmallFPN(nn.Module):
    """A residual network of basic blocks at strides 4, 8 and 16 with a feature pyramid.

    Made for photos of about 100 pixels on a CPU, trained from scratch: plain 3 x 3 convolutions
    (depthwise ones save arithmetic but no CPU time) and features at stride 4, since a digit is
    only some 14 x 29 pixels.

    Args:
        widths: channels of the stem and of the stages.
        blocks: residual blocks per stage.
        out_channels: channels of every pyramid level.
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], out_channels: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.stem = Conv2dNormActivation(3, widths[0], 3, stride=2)
        stages = []
        for before, width, count in zip(widths[:-1], widths[1:], blocks, strict=True):
            shortcut = nn.Sequential(StridedPointwise(before, width), nn.BatchNorm2d(width))
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
        return run_stages(self.stem(x), self.stages, self.fpn)


def small_fpn(
    widths: Sequence[int] = (24, 48, 96, 160),
    blocks: Sequence[int] = (1, 2, 2),
    out_channels: int = 64,
    box_head_width: int = 256,
    weights: str = "none",
) -> BackboneSpec:
    """The CPU default, see `SmallFPN`.

    Args:
        widths: channels of the stem and of the stages.
        blocks: residual blocks per stage.
        out_channels: channels of every pyramid level.
        box_head_width: units in the two layers of the box head.
        weights: `none`, or a file with a detector's state dict.

    Raises:
        DigitsError: other numbers of widths than of blocks + 1, or no such file.
    """
    if len(widths) != len(blocks) + 1:
        raise DigitsError(
            f"backbone.widths={list(widths)}, backbone.blocks={list(blocks)}: expected one more "
            "width than blocks, that of the stem."
        )
    features = SmallFPN(widths, blocks, out_channels)
    strides = tuple(4 * 2**level for level in range(len(blocks)))
    return BackboneSpec(
        features,
        strides,
        box_head=normalised_head(box_head_width),
        maskable=True,
        state=pretrained(weights, features),
    )
