"""Settings of `model`, `backbone`, `inference`, `recognizer`."""

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from digits.options.types import (
    Amount,
    Channels,
    File,
    Group,
    Index,
    Kept,
    Pixels,
    Ratio,
    Share,
    Size,
)

_Depth = Annotated[float, Meta(ge=0, lt=1)]  # the probability of dropping the last branch
_TWO, _THREE = Meta(min_length=2, max_length=2), Meta(min_length=3, max_length=3)


class Zoom(TypedDict, total=False):
    min_score: Annotated[float, Meta(gt=0, lt=1)]
    margin: Ratio
    min_aspect: Annotated[float, Meta(ge=0, le=1000)]
    gain: Annotated[float, Meta(gt=1, le=1000)]
    sure: Annotated[float, Meta(gt=0, lt=1)]
    search: Annotated[list[Annotated[float, Meta(gt=1, le=64)]], Meta(max_length=8)]


class Inference(TypedDict, total=False):
    """Arguments of the detector that predict.py may replace."""

    min_size: Pixels | Annotated[list[Pixels], Meta(min_length=1, max_length=100)]
    max_size: Pixels | None
    image_mean: Annotated[list[Annotated[float, Meta(ge=-1000, le=1000)]], _THREE]
    image_std: Annotated[list[Ratio], _THREE]
    anchor_heights: Annotated[list[Size], _TWO] | Literal["auto"] | None
    anchors: Annotated[int, Meta(ge=1, le=1000)]
    aspect_ratios: Annotated[list[Ratio], Meta(min_length=1, max_length=100)]
    rpn_pre_nms_top_n_train: Kept
    rpn_pre_nms_top_n_test: Kept
    rpn_post_nms_top_n_train: Kept
    rpn_post_nms_top_n_test: Kept
    rpn_nms_thresh: Share
    rpn_fg_iou_thresh: Share
    rpn_bg_iou_thresh: Share
    rpn_batch_size_per_image: Kept
    rpn_positive_fraction: Share
    rpn_score_thresh: Share
    roi_side: Annotated[int, Meta(ge=1, le=64)]
    roi_sampling: Annotated[int, Meta(ge=0, le=16)]
    shared_box: bool
    box_score_thresh: Share
    box_nms_thresh: Share
    box_detections_per_img: Kept
    box_fg_iou_thresh: Share
    box_bg_iou_thresh: Share
    box_batch_size_per_image: Kept
    box_positive_fraction: Share
    bbox_reg_weights: Annotated[list[Ratio], Meta(min_length=4, max_length=4)] | None
    box_voting: Annotated[float, Meta(gt=0, lt=1)] | None
    zoom: Zoom | None


class Detector(Inference, total=False):
    backbone: Group


class Vgg(TypedDict, total=False):
    weights: File
    trainable_layers: Index


class FourStages(Vgg, total=False):
    stochastic_depth: _Depth


class ResNet(FourStages, total=False):
    norm: Literal["frozen", "live", "group"]


class MobileNet(Vgg, total=False):
    norm: Literal["frozen", "live", "group"]
    returned_layers: Annotated[list[Index], Meta(min_length=1, max_length=8)]


class _Pyramid(TypedDict, total=False):
    weights: File
    out_channels: Channels
    box_head_width: Channels


class Small(_Pyramid, total=False):
    widths: Annotated[list[Channels], Meta(min_length=2, max_length=8)]
    blocks: Annotated[list[Annotated[int, Meta(ge=1, le=100)]], Meta(min_length=1, max_length=7)]


class PPOCR(_Pyramid, total=False):
    stages: Literal[2, 3]


class Timm(_Pyramid, total=False):
    name: str
    stochastic_depth: _Depth


class Network(TypedDict, total=False):
    """Of a recogniser."""

    weights: File
    dropout: Share


class SmallNetwork(Network, total=False):
    widths: Annotated[list[Channels], Meta(min_length=4, max_length=4)]


class Crops(TypedDict, total=False):
    margin: Annotated[float, Meta(ge=-1, le=10)]
    stretch: Annotated[float, Meta(gt=0, le=10)]
    upright: Share


class Jitter(TypedDict, total=False):
    ends: Amount
    sides: Amount
    angle: Annotated[float, Meta(ge=0, le=90)]
    shear: Amount
    stretch: Amount
    margin: Amount
    part_p: Share
    beyond_p: Share
    beyond: Amount
    nothing_p: Share


class Recognizer(TypedDict, total=False):
    """The group `recognition`."""

    network: Group
    crops: Crops
    jitter: Jitter


DETECTORS = {"digits.models.detector.build_detector": Detector}
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
