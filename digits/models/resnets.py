"""ResNets with a feature pyramid, the same modules as torchvision's detectors; torch only."""

from collections.abc import Callable

from torch import Tensor, nn
from torchvision.models import (
    ResNet,
    ResNet50_Weights,
    ResNet101_Weights,
    WeightsEnum,
    resnet50,
    resnet101,
)
from torchvision.models.detection import (
    FasterRCNN_ResNet50_FPN_V2_Weights,
    FasterRCNN_ResNet50_FPN_Weights,
)
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead

from digits.models.backbone_spec import BackboneSpec
from digits.models.layers import add_stochastic_depth, norm_layer, train_last
from digits.models.pyramid import pyramid
from digits.models.weights import pretrained

_STRIDES = (4, 8, 16, 32, 64)


def resnet50_fpn(
    weights: str = "coco",
    trainable_layers: int = 3,
    norm: str = "frozen",
    stochastic_depth: float = 0.0,
) -> BackboneSpec:
    """ResNet-50 FPN (Lin et al. 2017, arXiv 1612.03144), torchvision's `fasterrcnn_resnet50_fpn`.

    Args:
        weights: `coco` (the whole detector), `imagenet` (the ResNet), `none`, or a file.
        trainable_layers: stages that train, from the last: 3 freezes the stem and the first stage;
            without weights all train.
        norm: of the ResNet: `frozen` (live without weights), `live` or `group`.
        stochastic_depth: probability of dropping the last residual branch.
    """
    coco = FasterRCNN_ResNet50_FPN_Weights.COCO_V1
    imagenet = ResNet50_Weights.IMAGENET1K_V1
    features, state = _features(
        resnet50, weights, coco, imagenet, trainable_layers, norm, stochastic_depth
    )
    if weights == "coco" and state is not None:
        # Trained with batch normalisation of eps = 0; ours adds 1e-5 to the variances.
        state = {k: v - 1e-5 if k.endswith("running_var") else v for k, v in state.items()}
    return BackboneSpec(features, _STRIDES, extra_map=True, state=state)


def resnet50_fpn_v2(
    weights: str = "coco",
    trainable_layers: int = 5,
    norm: str = "live",
    stochastic_depth: float = 0.0,
) -> BackboneSpec:
    """ResNet-50 FPN with the improved recipe's heads (Li et al. 2021, arXiv 2111.11429).

    torchvision's `fasterrcnn_resnet50_fpn_v2`; arguments as in `resnet50_fpn`.
    """
    coco = FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1
    imagenet = ResNet50_Weights.IMAGENET1K_V2
    features, state = _features(
        resnet50, weights, coco, imagenet, trainable_layers, norm, stochastic_depth, norm_fpn=True
    )

    def box_head(channels: int, side: int) -> nn.Module:
        convs = [256, 256, 256, 256]
        size = (channels, side, side)
        head: nn.Module = FastRCNNConvFCHead(size, convs, [1024], nn.BatchNorm2d)
        return head

    return BackboneSpec(
        features, _STRIDES, extra_map=True, rpn_convs=2, box_head=box_head, state=state
    )


def resnet101_fpn(
    weights: str = "imagenet",
    trainable_layers: int = 3,
    norm: str = "frozen",
    stochastic_depth: float = 0.0,
) -> BackboneSpec:
    """ResNet-101 FPN; arguments as in `resnet50_fpn`, but torchvision has no COCO weights."""
    imagenet = ResNet101_Weights.IMAGENET1K_V2
    features, state = _features(
        resnet101, weights, None, imagenet, trainable_layers, norm, stochastic_depth
    )
    return BackboneSpec(features, _STRIDES, extra_map=True, state=state)


def _features(
    build: Callable[..., ResNet],
    weights: str,
    coco: WeightsEnum | None,
    imagenet: WeightsEnum,
    trainable_layers: int,
    norm: str,
    stochastic_depth: float,
    norm_fpn: bool = False,
) -> tuple[nn.Module, dict[str, Tensor] | None]:
    body = build(norm_layer=norm_layer(norm, weights != "none"))
    stages = [body.layer1, body.layer2, body.layer3, body.layer4]
    groups = [[body.conv1, body.bn1], *([stage] for stage in stages)]
    train_last(groups, trainable_layers, weights != "none")
    state = pretrained(weights, body, imagenet, coco)
    add_stochastic_depth([block for stage in stages for block in stage], "bn3", stochastic_depth)
    channels = {f"layer{i}": 256 * 2 ** (i - 1) for i in (1, 2, 3, 4)}
    return pyramid(body, channels, norm=norm_fpn), state
