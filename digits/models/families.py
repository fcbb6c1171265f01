"""Other families of networks from torchvision, each as a backbone; torch only."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import nn
from torchvision.models import (
    ConvNeXt_Base_Weights,
    ConvNeXt_Tiny_Weights,
    MobileNet_V3_Large_Weights,
    Swin_T_Weights,
    SwinTransformer,
    VGG16_Weights,
    WeightsEnum,
    convnext_base,
    convnext_tiny,
    mobilenet_v3_large,
)
from torchvision.models import vgg16 as build_vgg16
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection import FasterRCNN_MobileNet_V3_Large_FPN_Weights

from digits.models.parts import Parts, norm_layer, permute_maps, pyramid, train_last
from digits.models.weights import pretrained


def mobilenet_v3_large_fpn(
    weights: str = "coco",
    trainable_layers: int = 3,
    norm: str = "frozen",
    returned_layers: Sequence[int] = (4, 5),
) -> Parts:
    """MobileNetV3-Large FPN (Howard et al. 2019, arXiv 1905.02244), as torchvision's detector.

    Args:
        weights: `coco` (the whole detector), `imagenet` (the MobileNet), `none`, or a file.
        trainable_layers: stages that train, from the last, 0..6; without weights all do.
        norm: `frozen` (live without weights), `live` or `group`.
        returned_layers: stages that make the pyramid; (4, 5), both at stride 32, are
            torchvision's, (2, 3, 5) gives strides 8, 16 and 32 for smaller photos (the pyramid's
            COCO weights do not fit them and start afresh).
    """
    body = mobilenet_v3_large(norm_layer=norm_layer(norm, weights != "none"))
    coco = FasterRCNN_MobileNet_V3_Large_FPN_Weights.COCO_V1
    state = pretrained(weights, body, MobileNet_V3_Large_Weights.IMAGENET1K_V1, coco)
    blocks = list(body.features)
    ends = [0, 2, 4, 7, 13, 16]  # first block of each stage, as torchvision counts them
    stages = [blocks[a:b] for a, b in zip(ends, [*ends[1:], len(blocks)], strict=True)]
    train_last(stages, trainable_layers, weights != "none")
    strides = [(2, 4, 8, 16, 32, 32)[i] for i in returned_layers]
    maps = {str(ends[i]): blocks[ends[i]].out_channels for i in returned_layers}
    sides = ((32.0, 64.0, 128.0, 256.0, 512.0),) * (len(strides) + 1)
    return Parts(
        pyramid(body.features, maps),
        (*strides, 2 * strides[-1]),
        extra_map=True,
        anchor_sides=sides,
        state=state,
    )


def vgg16(weights: str = "imagenet", trainable_layers: int = 3) -> Parts:
    """VGG-16 without its last pooling, one map of stride 16, as in the first Faster R-CNN.

    Ren et al. 2015, arXiv 1506.01497; heads as in torchvision.

    Args:
        weights: `imagenet`, `none`, or a file.
        trainable_layers: stages that train, from the last, 0..5; without weights all do.
    """
    body = build_vgg16()
    state = pretrained(weights, body, VGG16_Weights.IMAGENET1K_V1)
    layers = list(body.features)[:-1]
    pools = [i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    starts = [0, *pools]
    stages = [layers[a:b] for a, b in zip(starts, [*pools, len(layers)], strict=True)]
    train_last(stages, trainable_layers, weights != "none")
    features = IntermediateLayerGetter(nn.Sequential(*layers), {str(len(layers) - 1): "0"})
    features.out_channels = 512
    sides = ((32.0, 64.0, 128.0, 256.0, 512.0),)
    return Parts(features, (16,), anchor_sides=sides, state=state)


def convnext_tiny_fpn(
    weights: str = "imagenet", trainable_layers: int = 4, stochastic_depth: float = 0.1
) -> Parts:
    """ConvNeXt-T FPN (Liu et al. 2022, arXiv 2201.03545); arguments as in `convnext_base_fpn`."""
    return _four_stages(
        convnext_tiny, weights, ConvNeXt_Tiny_Weights.IMAGENET1K_V1, trainable_layers,
        stochastic_depth, (96, 192, 384, 768),
    )  # fmt: skip


def convnext_base_fpn(
    weights: str = "imagenet", trainable_layers: int = 4, stochastic_depth: float = 0.5
) -> Parts:
    """ConvNeXt-B FPN.

    Args:
        weights: `imagenet`, `none`, or a file.
        trainable_layers: stages that train, from the last, 0..4; without weights all do.
        stochastic_depth: probability of dropping the last residual branch.
    """
    return _four_stages(
        convnext_base, weights, ConvNeXt_Base_Weights.IMAGENET1K_V1, trainable_layers,
        stochastic_depth, (128, 256, 512, 1024),
    )  # fmt: skip


def swin_t_fpn(
    weights: str = "imagenet", trainable_layers: int = 4, stochastic_depth: float = 0.2
) -> Parts:
    """Swin-T FPN (Liu et al. 2021, arXiv 2103.14030); arguments as in `convnext_base_fpn`."""
    # torchvision's swin_t, which fixes its stochastic depth.
    swin_t = partial(
        SwinTransformer, patch_size=[4, 4], embed_dim=96, depths=[2, 2, 6, 2],
        num_heads=[3, 6, 12, 24], window_size=[7, 7],
    )  # fmt: skip
    parts = _four_stages(
        swin_t, weights, Swin_T_Weights.IMAGENET1K_V1, trainable_layers,
        stochastic_depth, (96, 192, 384, 768),
    )  # fmt: skip
    permute_maps(parts.features)
    return parts


def _four_stages(
    build: Callable[..., Any],
    weights: str,
    imagenet: WeightsEnum,
    trainable_layers: int,
    stochastic_depth: float,
    channels: Sequence[int],
) -> Parts:
    """Networks whose `features` alternate between a stem or a merging layer and a stage."""
    body = build(stochastic_depth_prob=stochastic_depth)
    state = pretrained(weights, body, imagenet)
    layers = list(body.features)
    stages = [layers[i : i + 2] for i in range(0, 8, 2)]
    train_last(stages, trainable_layers, weights != "none")
    maps = {str(2 * i + 1): width for i, width in enumerate(channels)}
    return Parts(pyramid(body.features, maps), (4, 8, 16, 32, 64), extra_map=True, state=state)
