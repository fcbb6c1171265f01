"""What a backbone contributes to a detector, and what the backbones share; torch only."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import gcd
from typing import Any, NamedTuple

from torch import Tensor, nn
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.ops import stochastic_depth as drop_path
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from digits.errors import DigitsError

CHANNELS = 256  # of torchvision's pyramids


def two_layers(channels: int, side: int) -> nn.Module:
    """torchvision's RoI head: two layers of 1024 units."""
    return TwoMLPHead(channels * side * side, 1024)


def normalised_head(width: int) -> Callable[[int, int], nn.Module]:
    """A RoI head of two layers that learns from scratch: plain ones stall for several epochs.

    Args:
        width: units of both layers.
    """

    def build(channels: int, side: int) -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs in (channels * side * side, width):
            layers += [nn.Linear(inputs, width, bias=False)]
            layers += [nn.BatchNorm1d(width), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers)

    return build


class Parts(NamedTuple):
    """What a backbone contributes to a detector."""

    features: nn.Module
    """Photos `(B, 3, H, W)` to an OrderedDict of maps `(B, out_channels, h, w)`, finest first;
    has `out_channels`."""
    strides: tuple[int, ...]
    """Pixels of the photo per cell of each map."""
    extra_map: bool = False
    """Whether the last map only proposes regions, and is not pooled from."""
    rpn_convs: int = 1
    """3 x 3 convolutions in the region proposal head."""
    box_head: Callable[[int, int], nn.Module] = two_layers
    """Makes the RoI head from (channels, RoI side in cells)."""
    anchor_sides: tuple[tuple[float, ...], ...] | None = None
    """torchvision's anchors per map, the root of their area in pixels; None: 32, 64, ..."""
    state: dict[str, Tensor] | None = None
    """Weights of a whole trained detector, to be loaded after assembly."""


class FixedNorm(nn.BatchNorm2d):
    """Batch normalisation that never leaves evaluation mode and does not train.

    Unlike torchvision's FrozenBatchNorm2d it holds the same tensors as a live one, so that a
    checkpoint is read without knowing which of the two trained it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "FixedNorm":
        super().train(False)
        return self


def norm_layer(norm: str, pretrained: bool) -> Callable[[int], nn.Module]:
    """The normalisation of a network's body.

    Args:
        norm: `frozen` (fixed statistics; live where there are none yet), `live`, or `group`
            (Wu & He 2018, arXiv 1803.08494; 32 groups
            where they divide the channels, else as many as do).
        pretrained: whether trained statistics are loaded.
    """
    layers: dict[str, Callable[[int], nn.Module]] = {
        "frozen": FixedNorm if pretrained else nn.BatchNorm2d,
        "live": nn.BatchNorm2d,
        "group": _group_norm,
    }
    if norm not in layers:
        raise DigitsError(f"backbone.norm={norm}: expected one of {', '.join(layers)}.")
    return layers[norm]


def _group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(gcd(32, channels), channels)


def train_last(stages: Sequence[Sequence[nn.Module]], count: int, pretrained: bool) -> None:
    """Freeze all but the last `count` stages; a network without weights trains as a whole.

    Raises:
        DigitsError: more stages than there are, or fewer than none.
    """
    if not 0 <= count <= len(stages):
        raise DigitsError(
            f"backbone.trainable_layers={count}: expected 0 to {len(stages)}, the network's stages."
        )
    if pretrained:
        for stage in stages[: len(stages) - count]:
            for module in stage:
                module.requires_grad_(False)


def check_stochastic_depth(probability: float) -> None:
    """Refuse what is no probability of dropping a branch.

    Raises:
        DigitsError: outside [0, 1).
    """
    if not 0 <= probability < 1:
        raise DigitsError(
            f"backbone.stochastic_depth={probability}: expected a probability in [0, 1)."
        )


def add_stochastic_depth(blocks: Sequence[nn.Module], last: str, probability: float) -> None:
    """Drop residual branches per photo, the deeper the oftener.

    Huang et al. 2016, arXiv 1603.09382.

    Args:
        blocks: residual blocks, in order.
        last: name of the last layer of a block's branch.
        probability: of dropping the last branch, in [0, 1).
    """
    check_stochastic_depth(probability)

    def drop(_: nn.Module, __: Any, branch: Tensor, block: nn.Module, rate: float) -> Tensor:
        kept: Tensor = drop_path(branch, rate, "row", block.training)
        return kept

    for number, block in enumerate(blocks if probability else ()):
        # A hook leaves the names of the weights alone, so that pretrained ones still fit.
        rate = probability * number / max(len(blocks) - 1, 1)
        block.get_submodule(last).register_forward_hook(partial(drop, block=block, rate=rate))


def pyramid(body: nn.Module, maps: Mapping[str, int], norm: bool = False) -> nn.Module:
    """A feature pyramid of 256 channels and a max-pooled extra map, as torchvision builds it.

    Args:
        body: runs its children one after the other.
        maps: name of a child to the channels that it puts out, finest first.
        norm: batch normalisation in the pyramid.
    """
    return BackboneWithFPN(
        body,
        {child: str(level) for level, child in enumerate(maps)},
        list(maps.values()),
        CHANNELS,
        extra_blocks=LastLevelMaxPool(),
        norm_layer=nn.BatchNorm2d if norm else None,
    )


def permute_maps(features: nn.Module) -> None:
    """Bring the maps of a transformer's body, `(B, h, w, C)`, to `(B, C, h, w)` for its pyramid."""

    def permute(_: nn.Module, maps: tuple[dict[str, Tensor]]) -> tuple[dict[str, Tensor]]:
        return ({name: x.permute(0, 3, 1, 2) for name, x in maps[0].items()},)

    features.fpn.register_forward_pre_hook(permute)  # type: ignore[union-attr]


def run_stages(x: Tensor, stages: Iterable[nn.Module], fpn: nn.Module) -> dict[str, Tensor]:
    """The maps of stages that run one after the other, through a pyramid, finest first."""
    maps = OrderedDict()
    for level, stage in enumerate(stages):
        x = stage(x)
        maps[str(level)] = x
    features: dict[str, Tensor] = fpn(maps)
    return features
