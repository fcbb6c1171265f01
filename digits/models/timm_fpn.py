"""Any feature extractor of timm with a feature pyramid; torch and the optional timm only."""

import logging
from contextlib import nullcontext
from difflib import get_close_matches
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from digits.console import console
from digits.errors import DigitsError, one_line
from digits.models.backbone_spec import BackboneSpec, normalised_head
from digits.models.hub import asked_once
from digits.models.pyramid import CHANNELS
from digits.models.weights import pretrained

# timm's transformers take one size unless told otherwise; its other models refuse the argument.
_ANY_SIZE: tuple[dict[str, Any], ...] = ({"dynamic_img_size": True}, {})
_PROBE = (64, 96)  # (pixels) height and width


class _TimmFPN(nn.Module):
    """Photos to pyramid maps, channels first."""

    def __init__(
        self,
        body: nn.Module,
        levels: list[int],
        channels: list[int],
        channels_last: bool,
        out_channels: int,
    ) -> None:
        super().__init__()
        self.body, self.levels, self.channels_last = body, levels, channels_last
        self.out_channels = out_channels
        # timm has no weights of a pyramid; batch normalisation lets it train from scratch.
        self.fpn = FeaturePyramidNetwork(
            channels, out_channels, LastLevelMaxPool(), norm_layer=nn.BatchNorm2d
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found = self.body(x)
        maps = {str(name): found[level] for name, level in enumerate(self.levels)}
        if self.channels_last:  # transformers
            maps = {name: x.permute(0, 3, 1, 2) for name, x in maps.items()}
        pyramid: dict[str, Tensor] = self.fpn(maps)
        return pyramid


def timm_fpn(
    name: str,
    weights: str = "imagenet",
    stochastic_depth: float = 0.0,
    out_channels: int = CHANNELS,
    box_head_width: int = 1024,
) -> BackboneSpec:
    """A feature extractor of timm (the extra `timm`) under a feature pyramid.

    Args:
        name: of the model, such as `resnet18` or `convnextv2_atto`; `timm.list_models()` has all.
        weights: `imagenet` (timm's own for that name), `none`, or a file.
        stochastic_depth: probability of dropping the last residual branch, where it has them.
        out_channels: channels of every pyramid level.
        box_head_width: units in the two layers of the box head.

    Raises:
        DigitsError: timm is missing, or has no such extractor of feature maps.
    """
    try:
        import timm
    except ImportError as error:
        raise DigitsError("backbone=timm needs timm: pip install -e '.[timm]'.") from error
    if not timm.is_model(name):
        close = ", ".join(get_close_matches(name, timm.list_models(), n=5))
        raise DigitsError(
            f"backbone.name={name}: timm {timm.__version__} has no such model"
            + (f"; it has {close}, ..." if close else "; see timm.list_models().")
        )
    if weights == "imagenet":
        console.print(f"Weights of {name}: from the Hugging Face hub, or as kept of an earlier run")
        logging.getLogger("timm").setLevel(logging.WARNING)
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # each of a dozen tries
    extra = {"drop_path_rate": stochastic_depth} if stochastic_depth else {}
    with asked_once() if weights == "imagenet" else nullcontext():
        body, shapes = _create(timm.create_model, name, weights == "imagenet", extra)
    strides, channels = body.feature_info.reduction(), body.feature_info.channels()
    # A map of stride 2 would cost most and gain nothing on digits.
    levels = [i for i, stride in enumerate(strides) if stride >= 4]
    kept = [strides[i] for i in levels]
    if len(kept) < 2 or any(a >= b for a, b in pairwise(kept)):
        raise DigitsError(
            f"backbone.name={name}: expected feature maps at several strides, finest first, got "
            f"{strides}; choose a convolutional network or a hierarchical transformer."
        )
    channels_last = any(shapes[i][1] != channels[i] for i in levels)
    features = _TimmFPN(body, levels, [channels[i] for i in levels], channels_last, out_channels)
    named = weights == "imagenet"  # timm has loaded them
    state = None if named else pretrained(weights, body, other_names=("imagenet",))
    head = normalised_head(box_head_width)
    return BackboneSpec(features, (*kept, 2 * kept[-1]), extra_map=True, box_head=head, state=state)


def _create(
    create: Any, name: str, with_weights: bool, extra: dict[str, Any]
) -> tuple[Any, list[torch.Size]]:
    """The feature extractor, and the shapes of its maps for a photo of `_PROBE` pixels."""
    for size in _ANY_SIZE:
        try:
            body = create(name, pretrained=with_weights, features_only=True, **extra, **size)
            with torch.no_grad():
                maps = body.eval()(torch.zeros(1, 3, *_PROBE))
            return body.train(), [x.shape for x in maps]
        except TypeError as error:
            reason: Exception = error
        except Exception as error:  # timm's errors have no common type
            raise _error(name, with_weights, error) from error
    raise _error(name, with_weights, reason) from reason


def _error(name: str, with_weights: bool, error: Exception) -> DigitsError:
    text = one_line(error)[:200]
    advice = " Offline, say backbone.weights=none." if with_weights else ""
    return DigitsError(f"backbone.name={name}: timm cannot build it here ({text}).{advice}")
