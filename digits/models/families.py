"""Backbones from torchvision other than ResNets; torch only."""

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

from digits.models.backbone_spec import BackboneSpec
from digits.models.layers import norm_layer, train_last
from digits.models.pyramid import permute_maps, pyramid
from digits.models.weights import pretrained


def mobilenet_v3_large_fpn(
    weights: str = "coco",
    trainable_layers: int = 3,
    norm: str = "frozen",
    returned_layers: Sequence[int] = (4, 5),
) -> BackboneSpec:
    """MobileNetV3-Large FPN (Howard et al. 2019, arXiv 1905.02244), as torchvision's detector.

    Args:
        weights: `coco` (the whole detector), `imagenet` (the MobileNet), `none`, or a file.
        trainable_layers: stages that train, from the last, 0..6; without weights all do.
        norm: `frozen` (live without weights), `live` or `group`.
        returned_layers: stages that make the pyramid; (4, 5), both at stride 32, are
            torchvision's, (2, 3, 5) gives strides 8, 16 and 32 for smaller photos (the pyramid's
            COCO weights do not fit them and are not loaded).
    """
    body = mobilenet_v3_large(norm_layer=norm_layer(norm, weights != "none"))
    blocks = list(body.features)
    ends = [0, 2, 4, 7, 13, 16]  # first block of each stage, as torchvision counts them
    stages = [blocks[a:b] for a, b in zip(ends, [*ends[1:], len(blocks)], strict=True)]
    train_last(stages, trainable_layers, weights != "none")
    coco = FasterRCNN_MobileNet_V3_Large_FPN_Weights.COCO_V1
    state = pretrained(weights, body, MobileNet_V3_Large_Weights.IMAGENET1K_V1, coco)
    strides = [(2, 4, 8, 16, 32, 32)[i] for i in returned_layers]
    maps = {str(ends[i]): blocks[ends[i]].out_channels for i in returned_layers}
    sizes = ((32.0, 64.0, 128.0, 256.0, 512.0),) * (len(strides) + 1)
    return BackboneSpec(
        pyramid(body.features, maps),
        (*strides, 2 * strides[-1]),
        extra_map=True,
        anchor_sizes=sizes,
        maskable=norm != "group",
        state=state,
    )


def vgg16(weights: str = "imagenet", trainable_layers: int = 3) -> BackboneSpec:
    """VGG-16 without its last pooling, one map of stride 16, as in the first Faster R-CNN.

    Ren et al. 2015, arXiv 1506.01497; heads as in torchvision.

    Args:
        weights: `imagenet`, `none`, or a file.
        trainable_layers: stages that train, from the last, 0..5; without weights all do.
    """
    body = build_vgg16()
    layers = list(body.features)[:-1]
    pools = [i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    starts = [0, *pools]
    stages = [layers[a:b] for a, b in zip(starts, [*pools, len(layers)], strict=True)]
    train_last(stages, trainable_layers, weights != "none")
    state = pretrained(weights, body, VGG16_Weights.IMAGENET1K_V1)
    features = IntermediateLayerGetter(nn.Sequential(*layers), {str(len(layers) - 1): "0"})
    features.out_channels = 512
    sizes = ((32.0, 64.0, 128.0, 256.0, 512.0),)
    return BackboneSpec(features, (16,), anchor_sizes=sizes, maskable=True, state=state)


def convnext_tiny_fpn(
    weights: str = "imagenet", trainable_layers: int = 4, stochastic_depth: float = 0.1
) -> BackboneSpec:
    """ConvNeXt-T FPN (Liu et al. 2022, arXiv 2201.03545); arguments as in `convnext_base_fpn`."""
    return _four_stages(
        convnext_tiny, weights, ConvNeXt_Tiny_Weights.IMAGENET1K_V1, trainable_layers,
        stochastic_depth, (96, 192, 384, 768),
    )  # fmt: skip


def convnext_base_fpn(
    weights: str = "imagenet", trainable_layers: int = 4, stochastic_depth: float = 0.5
) -> BackboneSpec:
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
) -> BackboneSpec:
    """Swin-T FPN (Liu et al. 2021, arXiv 2103.14030); arguments as in `convnext_base_fpn`."""
    # As torchvision's swin_t, whose stochastic depth is fixed.
    swin_t = partial(
        SwinTransformer, patch_size=[4, 4], embed_dim=96, depths=[2, 2, 6, 2],
        num_heads=[3, 6, 12, 24], window_size=[7, 7],
    )  # fmt: skip
    spec = _four_stages(
        swin_t, weights, Swin_T_Weights.IMAGENET1K_V1, trainable_layers,
        stochastic_depth, (96, 192, 384, 768), maskable=False,
    )  # fmt: skip
    permute_maps(spec.features)
    return spec


def _four_stages(
    build: Callable[..., Any],
    weights: str,
    imagenet: WeightsEnum,
    trainable_layers: int,
    stochastic_depth: float,
    channels: Sequence[int],
    maskable: bool = True,
) -> BackboneSpec:
    """A network whose `features` are four pairs of a downsampling layer and a stage."""
    body = build(stochastic_depth_prob=stochastic_depth)
    layers = list(body.features)
    stages = [layers[i : i + 2] for i in range(0, 8, 2)]
    train_last(stages, trainable_layers, weights != "none")
    state = pretrained(weights, body, imagenet)
    maps = {str(2 * i + 1): width for i, width in enumerate(channels)}
    features = pyramid(body.features, maps)
    return BackboneSpec(
        features, (4, 8, 16, 32, 64), extra_map=True, maskable=maskable, state=state
    )
