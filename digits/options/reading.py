"""Settings of `reading`, `fusion`, `tta` and `submission`."""

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from digits.options.types import File, Index, NotNegative, Share


class Calibrated(TypedDict, total=False):
    nms_iou: Share
    score_threshold: Share
    min_photos: Index
    ignore: list[str]


class Cascade(TypedDict, total=False):
    score_thresholds: Annotated[list[Share], Meta(min_length=1)]
    nms_iou: Share


class Threshold(TypedDict, total=False):
    score_threshold: Share
    nms_iou: Share


class Fusion(TypedDict, total=False):
    method: Literal["wbf", "none"]
    weights: list[NotNegative] | Literal["auto"] | None
    iou: Share
    score_floor: Share
    fit: File | None


class Scales(TypedDict, total=False):
    """The group `tta`."""

    scales: Annotated[list[Annotated[float, Meta(ge=0.1, le=10)]], Meta(min_length=1)]


class Submission(TypedDict, total=False):
    refine: bool | Literal["auto"]
    alternatives: bool | Literal["auto"]
    min_confidence: Share | None


TARGETS = {
    "digits.reading.calibrated.CalibratedReader": Calibrated,
    "digits.reading.rules.CascadeReader": Cascade,
    "digits.reading.rules.ThresholdReader": Threshold,
}
