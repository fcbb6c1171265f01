"""Faster R-CNN for eleven classes: a backbone's parts, anchors, RoI pooling, input transform."""

import inspect
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes
from torchvision.ops import MultiScaleRoIAlign

from digits.errors import DigitsError
from digits.models.anchors import LevelRPNHead, auto_heights, digit_anchors, torchvision_anchors
from digits.models.parts import Parts
from digits.models.voting import VotingRoIHeads
from digits.models.weights import load_detector_state
from digits.models.zoom import Zoom, ZoomingRCNN
from digits.types import NUM_CLASSES

_logger = logging.getLogger(__name__)


class PhotoTransform(GeneralizedRCNNTransform):
    """torchvision's transform, for uint8 photos as well, and with antialiasing.

    torchvision shrinks without a filter, which breaks thin strokes of digits in large photos.
    """

    def normalize(self, image: Tensor) -> Tensor:
        """Nothing yet: `resize` normalises, once a large photo is small."""
        return image

    def resize(
        self, image: Tensor, target: dict[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor] | None]:
        """uint8 in 0..255 or float in 0..1, `(3, H, W)`, to normalised floats whose short side is
        `min_size` pixels, their long one `max_size` at most."""
        height, width = image.shape[-2:]
        short = self.torch_choice(self.min_size) if self.training else self.min_size[-1]
        scale = min(short / min(height, width), self.max_size / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        white = 255 if image.dtype == torch.uint8 else 1
        image = interpolate(image[None].float(), size, mode="bilinear", antialias=scale < 1)[0]
        image = super().normalize(image / white)
        if target is not None:
            target["boxes"] = resize_boxes(target["boxes"], [height, width], list(size))
        return image, target

    def batch_images(self, images: list[Tensor], size_divisible: int = 32) -> Tensor:
        """Pad to one size; channels last in memory."""
        batch: Tensor = super().batch_images(images, size_divisible)
        return batch.contiguous(memory_format=torch.channels_last)


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
    max_size: int | None = 1333,
    anchor_heights: tuple[float, float] | str | None = None,
    anchors: int = 6,
    aspect_ratios: Sequence[float] = (0.5, 1.0, 2.0),
    roi_side: int = 7,
    roi_sampling: int = 2,
    shared_box: bool = False,
    box_voting: float | None = None,
    zoom: Mapping[str, Any] | None = None,
    **rcnn: Any,
) -> FasterRCNN:
    """Assemble the detector.

    In training it takes photos and targets and returns losses; in evaluation it takes photos and
    returns detections (`digits.structures`), in pixels of the original photos.

    Args:
        backbone: from one of `digits.models`.
        min_size: short side of the resized photo, pixels; of several, training draws one and
            evaluation takes the last.
        max_size: bound on the long side, pixels; `None` is 2.75 times the short side.
        anchor_heights: smallest and largest anchor height in pixels of the *resized* photo, put
            on the maps that suit them (`digit_anchors`); `auto` is what SVHN's digits are,
            0.19 to 1.03 of `min_size`; `None` gives torchvision's anchors.
        anchors: heights in all, at least, spread geometrically between the two.
        aspect_ratios: height / width.
        roi_side: side of the pooled RoI features, cells.
        roi_sampling: sampling points per cell side; 1 is much cheaper to train on a CPU, where
            the backward pass of RoIAlign runs on one core.
        shared_box: predict one box for all classes rather than one per class.
        box_voting: IoU above which the boxes that suppression drops move the one that it keeps
            (`digits.models.voting`); `None`: they do not.
        zoom: arguments of `digits.models.zoom.Zoom`: in evaluation, small digits are looked at
            again, from closer; `None`: one look.
        rcnn: torchvision's own arguments, such as `rpn_post_nms_top_n_test`.

    Raises:
        DigitsError: arguments that torchvision does not know, or that cannot work.
    """
    sides = list(min_size) if isinstance(min_size, Sequence) else [min_size]
    if max_size is None:
        max_size = round(2.75 * max(sides))
    if anchor_heights is None:
        levels = range(len(backbone.strides))
        squares = backbone.anchor_sides or tuple((32.0 * 2**level,) for level in levels)
        generator = torchvision_anchors(squares, aspect_ratios)
    else:
        heights = _heights(anchor_heights, sides[-1])
        generator = digit_anchors(heights, anchors, aspect_ratios, backbone.strides, sides[-1])
    channels = cast(int, backbone.features.out_channels)
    pooled = backbone.strides[:-1] if backbone.extra_map else backbone.strides
    per_location = generator.num_anchors_per_location()[0]
    rpn_head = LevelRPNHead(channels, per_location, conv_depth=backbone.rpn_convs)
    rpn_head.levels = generator.levels
    head = backbone.box_head(channels, roi_side)
    representation = [m for m in head.modules() if isinstance(m, nn.Linear)][-1].out_features
    # torchvision swallows names that it does not know.
    unknown = sorted(set(rcnn) - set(inspect.signature(FasterRCNN.__init__).parameters))
    if unknown:
        raise DigitsError(
            f"model: unknown argument {', '.join(unknown)}; see torchvision's FasterRCNN for its "
            "names."
        )
    if box_voting is not None and not 0 < box_voting < 1:
        raise DigitsError(
            f"model.box_voting={box_voting}: expected an IoU between 0 and 1, or null."
        )
    try:
        model = ZoomingRCNN(
            backbone.features,
            rpn_anchor_generator=generator,
            rpn_head=rpn_head,
            box_roi_pool=MultiScaleRoIAlign(
                [str(level) for level in range(len(pooled))], roi_side, roi_sampling
            ),
            box_head=head,
            box_predictor=FloatPredictor(representation, shared_box),
            **rcnn,
        )
        model.zoom = None if zoom is None else Zoom(**zoom)
        model.roi_heads.__class__ = VotingRoIHeads  # FasterRCNN insists on making its own
        model.roi_heads.voting = box_voting
    except (TypeError, ValueError) as error:
        raise DigitsError(f"model: {str(error).rstrip('.')}.") from error
    backbone.features.register_forward_hook(_float_features)
    model.transform = PhotoTransform(
        sides, max_size, model.transform.image_mean, model.transform.image_std, max(pooled)
    )
    # A fifth less time per training step on a CPU; what tensor cores want on a GPU.
    model.backbone.to(memory_format=torch.channels_last)
    model.rpn.head.to(memory_format=torch.channels_last)
    if backbone.state is not None:
        fresh = load_detector_state(model, backbone.state)
        _logger.info("Loaded weights; %d tensors start afresh: %s", len(fresh), ", ".join(fresh))
    return model


def _heights(asked: tuple[float, float] | str, min_size: int) -> tuple[float, float]:
    if asked == "auto":
        return auto_heights(min_size)
    if isinstance(asked, str) or len(asked) != 2:
        raise DigitsError(
            f"model.anchor_heights={asked}: expected auto, null, or [smallest, largest] in pixels."
        )
    return asked
