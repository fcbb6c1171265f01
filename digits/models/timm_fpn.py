"""Any feature extractor of timm with a feature pyramid; torch and the optional timm only."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from digits.errors import DigitsError
from digits.models.parts import CHANNELS, Parts
from digits.models.weights import pretrained

# Their inputs have a fixed size unless they are told otherwise; others don't know the argument.
_ANY_SIZE: tuple[dict[str, Any], ...] = ({"dynamic_img_size": True}, {})


class _TimmFPN(nn.Module):
    """Photos to pyramid maps, channels first."""

    def __init__(self, body: nn.Module, levels: list[int], channels: list[int]) -> None:
        super().__init__()
        self.body, self.levels, self.channels = body, levels, channels
        self.out_channels = CHANNELS
        self.fpn = FeaturePyramidNetwork(channels, CHANNELS, LastLevelMaxPool())

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found = self.body(x)
        maps = {}
        for name, (level, channels) in enumerate(zip(self.levels, self.channels, strict=True)):
            features = found[level]
            if features.shape[1] != channels:  # transformers: (B, h, w, C)
                features = features.permute(0, 3, 1, 2)
            maps[str(name)] = features
        pyramid: dict[str, Tensor] = self.fpn(maps)
        return pyramid


def timm_fpn(
    name: str,
    weights: str = "imagenet",
    stochastic_depth: float = 0.0,
) -> Parts:
    """A feature extractor of timm (the extra `timm`) under a feature pyramid.

    Args:
        name: of the model, such as `resnet18` or `convnextv2_atto`; `timm.list_models()` has all.
        weights: `imagenet` (timm's own for that name), `none`, or a file.
        stochastic_depth: probability of dropping the last residual branch, where it has them.

    Raises:
        DigitsError: timm is missing, or has no such extractor of feature maps.
    """
    try:
        import timm
    except ImportError as error:
        raise DigitsError("backbone=timm needs timm: pip install 'digits[timm]'.") from error
    if name not in timm.list_models():
        close = ", ".join(timm.list_models(f"*{name.split('_')[0]}*")[:5])
        raise DigitsError(
            f"backbone.name={name}: timm {timm.__version__} has no such model"
            + (f"; it has {close}, ..." if close else "; see timm.list_models().")
        )
    extra = {"drop_path_rate": stochastic_depth} if stochastic_depth else {}
    body = _create(timm.create_model, name, weights == "imagenet", extra)
    strides, channels = body.feature_info.reduction(), body.feature_info.channels()
    # Stride 2 costs most and shows nothing that a digit needs.
    levels = [i for i, stride in enumerate(strides) if stride >= 4]
    kept = [strides[i] for i in levels]
    if len(kept) < 2 or any(a >= b for a, b in pairwise(kept)):
        raise DigitsError(
            f"backbone.name={name}: expected feature maps at several strides, finest first, got "
            f"{strides}; choose a convolutional network or a hierarchical transformer."
        )
    features = _TimmFPN(body, levels, [channels[i] for i in levels])
    state = None if weights == "imagenet" else pretrained(weights, body)
    return Parts(features, (*kept, 2 * kept[-1]), extra_map=True, state=state)


def _create(create: Any, name: str, with_weights: bool, extra: dict[str, Any]) -> Any:
    for size in _ANY_SIZE:
        try:
            body = create(name, pretrained=with_weights, features_only=True, **extra, **size)
            with torch.no_grad():
                body.eval()(torch.zeros(1, 3, 64, 96))
            return body.train()
        except TypeError as error:
            reason: Exception = error
        except Exception as error:  # what timm raises has no common type
            raise _refused(name, with_weights, error) from error
    raise _refused(name, with_weights, reason) from reason


def _refused(name: str, with_weights: bool, error: Exception) -> DigitsError:
    text = " ".join(str(error).split())[:200]
    advice = " Without a network say backbone.weights=none." if with_weights else ""
    return DigitsError(f"backbone.name={name}: timm cannot build it here ({text}).{advice}")
