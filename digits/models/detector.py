"""Build the Faster R-CNN for digits: backbone, anchors, proposals, box heads, transform."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from digits.errors import DigitsError
from digits.models.anchor_heights import auto_heights, digit_anchors
from digits.models.anchors import LevelAnchors, LevelRPNHead
from digits.models.backbone_spec import BackboneSpec, check_maps
from digits.models.heads import BatchedRoIHeads
from digits.models.pooling import RoIPool
from digits.models.proposals import BatchedRPN
from digits.models.rcnn import DigitPredictor, DigitRCNN
from digits.models.transform import PhotoTransform
from digits.models.weights import load_detector_state
from digits.passes.zoom import Zoom

_logger = logging.getLogger(__name__)


def build_detector(
    backbone: BackboneSpec,
    *,
    min_size: int | Sequence[int] = 800,
    max_size: int | None = 1333,
    image_mean: Sequence[float] = (0.485, 0.456, 0.406),
    image_std: Sequence[float] = (0.229, 0.224, 0.225),
    anchor_heights: tuple[float, float] | str | None = None,
    anchors: int = 6,
    aspect_ratios: Sequence[float] = (0.5, 1.0, 2.0),
    rpn_pre_nms_top_n_train: int = 2000,
    rpn_pre_nms_top_n_test: int = 1000,
    rpn_post_nms_top_n_train: int = 2000,
    rpn_post_nms_top_n_test: int = 1000,
    rpn_nms_thresh: float = 0.7,
    rpn_fg_iou_thresh: float = 0.7,
    rpn_bg_iou_thresh: float = 0.3,
    rpn_batch_size_per_image: int = 256,
    rpn_positive_fraction: float = 0.5,
    rpn_score_thresh: float = 0.0,
    roi_side: int = 7,
    roi_sampling: int = 2,
    shared_box: bool = False,
    box_score_thresh: float = 0.05,
    box_nms_thresh: float = 0.5,
    box_detections_per_img: int = 100,
    box_fg_iou_thresh: float = 0.5,
    box_bg_iou_thresh: float = 0.5,
    box_batch_size_per_image: int = 512,
    box_positive_fraction: float = 0.25,
    bbox_reg_weights: tuple[float, float, float, float] | None = None,
    box_voting: float | None = None,
    zoom: Zoom | Mapping[str, Any] | None = None,
) -> DigitRCNN:
    """Assemble the detector; arguments not listed here are those of torchvision's FasterRCNN.

    In training it takes photos and targets and returns losses; in evaluation it takes photos and
    returns detections (`digits.types`), in pixels of the original photos.

    Args:
        backbone: from one of the builders in `digits.models`.
        min_size: short side of the resized photo, pixels; of several, training draws one and
            evaluation takes the last.
        max_size: bound on the long side, pixels; `None` is 2.75 times the short side.
        anchor_heights: smallest and largest anchor height in pixels of the *resized* photo, put
            on the maps that suit them (`digit_anchors`); `auto` covers SVHN's digits, 0.19 to
            1.03 of `min_size`; `None` gives torchvision's anchors.
        anchors: least number of heights, spaced geometrically between the two.
        aspect_ratios: height / width of the anchors.
        roi_side: side of the pooled RoI features, cells.
        roi_sampling: sampling points per cell side; 1 is much cheaper to train on a CPU, where
            the backward pass of RoIAlign runs on one core.
        shared_box: predict one box for all classes rather than one per class.
        box_voting: IoU above which boxes that suppression drops are averaged into the one that it
            keeps (`digits.models.suppression`); `None`: they are not.
        zoom: when evaluation makes a second pass over small digits (`digits.passes.zoom.Zoom`, or
            its arguments); `None`: never.

    Raises:
        DigitsError: values that cannot work, maps unlike their description.
    """
    check_maps(backbone)
    sizes = list(min_size) if isinstance(min_size, Sequence) else [min_size]
    if max_size is None:
        max_size = round(2.75 * max(sizes))
    generator = _anchor_generator(backbone, anchor_heights, anchors, aspect_ratios, sizes[-1])
    rpn = BatchedRPN(
        generator,
        LevelRPNHead(backbone.out_channels, generator, backbone.rpn_convs),
        rpn_fg_iou_thresh,
        rpn_bg_iou_thresh,
        rpn_batch_size_per_image,
        rpn_positive_fraction,
        {"training": rpn_pre_nms_top_n_train, "testing": rpn_pre_nms_top_n_test},
        {"training": rpn_post_nms_top_n_train, "testing": rpn_post_nms_top_n_test},
        rpn_nms_thresh,
        rpn_score_thresh,
    )
    pooled = backbone.pooled_strides
    box_head = backbone.box_head(backbone.out_channels, roi_side)
    box_features = [m for m in box_head.modules() if isinstance(m, nn.Linear)][-1].out_features
    roi_heads = BatchedRoIHeads(
        RoIPool(pooled, roi_side, roi_sampling),
        box_head,
        DigitPredictor(box_features, shared_box),
        box_fg_iou_thresh,
        box_bg_iou_thresh,
        box_batch_size_per_image,
        box_positive_fraction,
        bbox_reg_weights,
        box_score_thresh,
        box_nms_thresh,
        box_detections_per_img,
        voting=box_voting,
    )
    transform = PhotoTransform(sizes, max_size, image_mean, image_std, max(pooled))
    try:
        second_pass = zoom if zoom is None or isinstance(zoom, Zoom) else Zoom(**zoom)
    except (TypeError, ValueError) as error:
        raise DigitsError(f"model: {str(error).rstrip('.')}.") from error
    # A fifth less time per training step on a CPU; what tensor cores want on a GPU.
    backbone.features.to(memory_format=torch.channels_last)
    rpn.head.to(memory_format=torch.channels_last)
    model = DigitRCNN(backbone.features, rpn, roi_heads, transform, second_pass, backbone.maskable)
    if backbone.state is not None:
        random = load_detector_state(model, backbone.state)
        _logger.info(
            "Loaded weights; %d tensors keep their random initialisation: %s",
            len(random),
            ", ".join(random),
        )
    return model


def _anchor_generator(
    backbone: BackboneSpec,
    heights: tuple[float, float] | str | None,
    count: int,
    aspect_ratios: Sequence[float],
    min_size: int,
) -> LevelAnchors:
    if heights is None:
        levels = range(len(backbone.strides))
        sizes = backbone.anchor_sizes or tuple((32.0 * 2**level,) for level in levels)
        return LevelAnchors(sizes, aspect_ratios, backbone.strides)
    if heights == "auto":
        heights = auto_heights(min_size)
    if isinstance(heights, str) or len(heights) != 2:
        raise DigitsError(
            f"model.anchor_heights={heights}: expected auto, null, or [smallest, largest] in "
            "pixels."
        )
    return digit_anchors(heights, count, aspect_ratios, backbone.strides, min_size)
