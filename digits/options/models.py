"""Settings of `model`, `backbone`, `inference`, `recognizer`."""

from typing import Literal, TypedDict

from digits.options.types import (
    Count,
    File,
    Group,
    Index,
    NotNegative,
    Number,
    Pixels,
    Positive,
    Share,
)


class Zoom(TypedDict, total=False):
    min_score: Share
    margin: Positive
    min_aspect: NotNegative
    gain: Positive
    search: list[Positive]


class Inference(TypedDict, total=False):
    """Arguments of the detector that predict.py may replace."""

    min_size: Pixels | list[Pixels]
    max_size: Pixels | None
    image_mean: list[Number]
    image_std: list[Positive]
    anchor_heights: list[Positive] | Literal["auto"] | None
    anchors: Count
    aspect_ratios: list[Positive]
    rpn_pre_nms_top_n_train: Count
    rpn_pre_nms_top_n_test: Count
    rpn_post_nms_top_n_train: Count
    rpn_post_nms_top_n_test: Count
    rpn_nms_thresh: Share
    rpn_fg_iou_thresh: Share
    rpn_bg_iou_thresh: Share
    rpn_batch_size_per_image: Count
    rpn_positive_fraction: Share
    rpn_score_thresh: Share
    roi_side: Count
    roi_sampling: Index
    shared_box: bool
    box_score_thresh: Share
    box_nms_thresh: Share
    box_detections_per_img: Count
    box_fg_iou_thresh: Share
    box_bg_iou_thresh: Share
    box_batch_size_per_image: Count
    box_positive_fraction: Share
    bbox_reg_weights: list[Positive] | None
    box_voting: Share | None
    zoom: Zoom | None


class Detector(Inference, total=False):
    backbone: Group


class Vgg(TypedDict, total=False):
    weights: File
    trainable_layers: Index


class FourStages(Vgg, total=False):
    stochastic_depth: Share


class ResNet(FourStages, total=False):
    norm: Literal["frozen", "live", "group"]


class MobileNet(Vgg, total=False):
    norm: Literal["frozen", "live", "group"]
    returned_layers: list[Index]


class _Pyramid(TypedDict, total=False):
    weights: File
    out_channels: Count
    box_head_width: Count


class Small(_Pyramid, total=False):
    widths: list[Count]
    blocks: list[Count]


class PPOCR(_Pyramid, total=False):
    stages: Literal[2, 3]


class Timm(_Pyramid, total=False):
    name: str
    stochastic_depth: Share


class Network(TypedDict, total=False):
    """Of a recogniser."""

    weights: File
    dropout: Share


class SmallNetwork(Network, total=False):
    widths: list[Count]


class Crops(TypedDict, total=False):
    margin: Number
    stretch: Positive
    upright: Share


class Jitter(TypedDict, total=False):
    ends: NotNegative
    sides: NotNegative
    angle: NotNegative
    shear: NotNegative
    stretch: NotNegative
    margin: NotNegative
    part_p: Share
    beyond_p: Share
    beyond: NotNegative
    nothing_p: Share


class Recognizer(TypedDict, total=False):
    """The group `recognition`."""

    network: Group
    crops: Crops
    jitter: Jitter


DETECTORS = {
    "digits.models.detector.build_detector": Detector,
}
BACKBONES = {
    "digits.models.families.convnext_base_fpn": FourStages,
    "digits.models.families.convnext_tiny_fpn": FourStages,
    "digits.models.families.mobilenet_v3_large_fpn": MobileNet,
    "digits.models.families.swin_t_fpn": FourStages,
    "digits.models.families.vgg16": Vgg,
    "digits.models.ppocr.ppocr_fpn": PPOCR,
    "digits.models.resnets.resnet101_fpn": ResNet,
    "digits.models.resnets.resnet50_fpn": ResNet,
    "digits.models.resnets.resnet50_fpn_v2": ResNet,
    "digits.models.small.small_fpn": Small,
    "digits.models.timm_fpn.timm_fpn": Timm,
}
NETWORKS = {
    "digits.recognition.weights.ppocr_recognizer": Network,
    "digits.recognition.weights.small_recognizer": SmallNetwork,
}
TARGETS = DETECTORS | BACKBONES | NETWORKS
