"""Faster R-CNN for eleven classes: a backbone's parts, anchors, RoI pooling, input transform."""

import inspect
import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes
from torchvision.ops import MultiScaleRoIAlign

from digits.errors import DigitsError
from digits.models.backbones import Parts
from digits.models.weights import load_detector_state
from digits.structures import NUM_CLASSES

_logger = logging.getLogger(__name__)


class PhotoTransform(GeneralizedRCNNTransform):
    """torchvision's transform, for uint8 photos as well, and with antialiasing.

    torchvision shrinks without a filter, which breaks thin strokes of digits in large photos.
    """

    def normalize(self, image: Tensor) -> Tensor:
        """uint8 in 0..255 or float in 0..1, `(3, H, W)`, to normalised floats."""
        if image.dtype == torch.uint8:
            image = image.float().div_(255)
        normalised: Tensor = super().normalize(image)
        return normalised

    def resize(
        self, image: Tensor, target: dict[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor] | None]:
        """Bring the short side to `min_size` pixels, the long one to `max_size` at most."""
        height, width = image.shape[-2:]
        short = self.torch_choice(self.min_size) if self.training else self.min_size[-1]
        scale = min(short / min(height, width), self.max_size / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        image = interpolate(image[None], size, mode="bilinear", antialias=scale < 1)[0]
        if target is not None:
            target["boxes"] = resize_boxes(target["boxes"], [height, width], list(size))
        return image, target

    def batch_images(self, images: list[Tensor], size_divisible: int = 32) -> Tensor:
        """Pad to one size; channels last in memory."""
        batch: Tensor = super().batch_images(images, size_divisible)
        return batch.contiguous(memory_format=torch.channels_last)


class SkippingAnchors(AnchorGenerator):
    """Anchors on all but the finest `skip` maps."""

    skip = 0

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        anchors: list[Tensor] = super().forward(image_list, feature_maps[self.skip :])
        return anchors


class SkippingRPNHead(RPNHead):
    """Proposals from all but the finest `skip` maps.

    The outputs are float32 under autocast: bfloat16 holds a coordinate to 8 bits, so a box at
    x = 300 would move by a pixel or two.
    """

    skip = 0

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        logits, deltas = super().forward(x[self.skip :])
        return [v.float() for v in logits], [v.float() for v in deltas]


class FloatPredictor(FastRCNNPredictor):
    """Class and box predictor with float32 outputs, for the same reason.

    Args:
        in_channels: units of the box head.
        shared_box: one box for all classes rather than one per class; a digit's box does not
            depend on which digit it is, so all of them teach it.
    """

    def __init__(self, in_channels: int, shared_box: bool) -> None:
        super().__init__(in_channels, NUM_CLASSES)
        self.shared_box = shared_box
        if shared_box:
            self.bbox_pred = nn.Linear(in_channels, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scores, deltas = super().forward(x)
        if self.shared_box:
            deltas = deltas.repeat(1, NUM_CLASSES)
        return scores.float(), deltas.float()


def _float_features(module: nn.Module, args: Any, features: dict[str, Tensor]) -> dict[str, Tensor]:
    """Hook: float32 feature maps, since anchors take their type."""
    return OrderedDict((name, value.float()) for name, value in features.items())


def build_detector(
    backbone: Parts,
    *,
    min_size: int | Sequence[int] = 800,
    max_size: int = 1333,
    size_divisible: int = 32,
    anchor_heights: tuple[float, float] | None = None,
    anchors_per_level: int = 1,
    rpn_skip_levels: int = 0,
    aspect_ratios: Sequence[float] = (0.5, 1.0, 2.0),
    roi_side: int = 7,
    roi_sampling: int = 2,
    shared_box: bool = False,
    **rcnn: Any,
) -> FasterRCNN:
    """Assemble the detector.

    In training it takes photos and targets and returns losses; in evaluation it takes photos and
    returns detections (`digits.structures`), in pixels of the original photos.

    Args:
        backbone: from `digits.models.backbones`.
        min_size: short side of the resized photo, pixels; of several, training draws one and
            evaluation takes the last.
        max_size: bound on the long side, pixels.
        size_divisible: batches are padded to multiples of it; the coarsest stride at least.
        anchor_heights: smallest and largest anchor height in pixels of the *resized* photo,
            spread geometrically over the levels, fine to coarse; `None` gives torchvision's
            anchors (sides 32, 64, ... per level).
        anchors_per_level: anchor heights per level.
        rpn_skip_levels: finest pyramid levels without anchors; boxes are still pooled from them.
        aspect_ratios: height / width.
        roi_side: side of the pooled RoI features, cells.
        roi_sampling: sampling points per cell side; 1 is much cheaper to train on a CPU, where
            the backward pass of RoIAlign runs on one core.
        shared_box: predict one box for all classes rather than one per class.
        rcnn: torchvision's own arguments, such as `rpn_post_nms_top_n_test`.

    Raises:
        DigitsError: arguments that torchvision does not know, or that cannot work.
    """
    if not 0 <= rpn_skip_levels < backbone.levels:
        raise DigitsError(
            f"model.rpn_skip_levels={rpn_skip_levels}: expected 0 to {backbone.levels - 1}, since "
            f"the backbone has {backbone.levels} pyramid levels."
        )
    levels = range(rpn_skip_levels, backbone.levels)
    sizes: tuple[tuple[float, ...], ...] = tuple((32 * 2**level,) for level in levels)
    if anchor_heights is not None:
        sizes = _anchor_sizes(anchor_heights, len(levels), anchors_per_level)
    anchors = SkippingAnchors(sizes, (tuple(aspect_ratios),) * len(sizes))
    anchors.skip = rpn_skip_levels
    channels = cast(int, backbone.features.out_channels)
    # The pooled extra level of a ResNet pyramid proposes regions but is not pooled from.
    names = [str(level) for level in range(min(backbone.levels, 4))]
    per_location = anchors.num_anchors_per_location()[0]
    rpn_head = SkippingRPNHead(channels, per_location, conv_depth=backbone.rpn_convs)
    rpn_head.skip = rpn_skip_levels
    head = backbone.box_head(channels, roi_side)
    representation = [m for m in head.modules() if isinstance(m, nn.Linear)][-1].out_features
    # torchvision swallows names that it does not know.
    unknown = sorted(set(rcnn) - set(inspect.signature(FasterRCNN.__init__).parameters))
    if unknown:
        raise DigitsError(
            f"model: unknown argument {', '.join(unknown)}; see torchvision's FasterRCNN for its "
            "names."
        )
    try:
        model = FasterRCNN(
            backbone.features,
            rpn_anchor_generator=anchors,
            rpn_head=rpn_head,
            box_roi_pool=MultiScaleRoIAlign(
                names, output_size=roi_side, sampling_ratio=roi_sampling
            ),
            box_head=head,
            box_predictor=FloatPredictor(representation, shared_box),
            **rcnn,
        )
    except TypeError as error:
        raise DigitsError(f"model: {error}.") from error
    backbone.features.register_forward_hook(_float_features)
    sides = list(min_size) if isinstance(min_size, Sequence) else [min_size]
    model.transform = PhotoTransform(
        sides, max_size, model.transform.image_mean, model.transform.image_std, size_divisible
    )
    # A fifth less time per training step on a CPU; what tensor cores want on a GPU.
    model.backbone.to(memory_format=torch.channels_last)
    model.rpn.head.to(memory_format=torch.channels_last)
    if backbone.state is not None:
        fresh = load_detector_state(model, backbone.state)
        _logger.info("Loaded weights; %d tensors start afresh: %s", len(fresh), ", ".join(fresh))
    return model


def _anchor_sizes(
    heights: tuple[float, float], levels: int, per_level: int
) -> tuple[tuple[float, ...], ...]:
    smallest, largest = heights
    if not 0 < smallest < largest or per_level < 1:
        raise DigitsError(
            f"model.anchor_heights={list(heights)}, anchors_per_level={per_level}: expected "
            "[smallest, largest] in pixels, 0 < smallest < largest, and at least one per level."
        )
    spread = np.geomspace(smallest, largest, levels * per_level)
    # torchvision's size is sqrt(area); a digit is about twice as high as wide (DATA: 2.07).
    sides = [float(height / np.sqrt(2)) for height in spread]
    return tuple(tuple(sides[i : i + per_level]) for i in range(0, len(sides), per_level))
