"""Feature pyramids (Lin et al. 2017, arXiv 1612.03144) over a backbone's stages; torch only."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from torch import Tensor, nn
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

CHANNELS = 256  # of torchvision's pyramids


def pyramid(body: nn.Module, maps: Mapping[str, int], norm: bool = False) -> nn.Module:
    """torchvision's feature pyramid: 256 channels, and an extra map max-pooled from the last.

    Args:
        body: runs its children one after the other.
        maps: name of a child to its output channels, finest first.
        norm: batch normalisation in the pyramid.
    """
    features: nn.Module = BackboneWithFPN(
        body,
        {child: str(level) for level, child in enumerate(maps)},
        list(maps.values()),
        CHANNELS,
        extra_blocks=LastLevelMaxPool(),
        norm_layer=nn.BatchNorm2d if norm else None,
    )
    return features


def permute_maps(features: nn.Module) -> None:
    """Permute a transformer's maps from `(B, h, w, C)` to `(B, C, h, w)` before its pyramid."""

    def permute(_: nn.Module, maps: tuple[dict[str, Tensor]]) -> tuple[dict[str, Tensor]]:
        return ({name: x.permute(0, 3, 1, 2) for name, x in maps[0].items()},)

    features.get_submodule("fpn").register_forward_pre_hook(permute)


def run_stages(x: Tensor, stages: Iterable[nn.Module], fpn: nn.Module) -> dict[str, Tensor]:
    """Pyramid maps of stages that run one after the other; keys "0", "1", ..., finest first."""
    maps = OrderedDict()
    for level, stage in enumerate(stages):
        x = stage(x)
        maps[str(level)] = x
    features: dict[str, Tensor] = fpn(maps)
    return features
