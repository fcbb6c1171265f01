"""Settings of `data` and `augmentation`."""

from typing import Annotated, TypedDict

from msgspec import Meta

from digits.options.types import (
    Count,
    File,
    Group,
    NotNegative,
    Number,
    Part,
    Positive,
    Seed,
    Share,
)


class Coco(TypedDict, total=False):
    root: File | None
    verify: bool


class Svhn(TypedDict, total=False):
    root: File | None
    download: bool
    valid_share: Share


class Synthetic(TypedDict, total=False):
    train_count: Count
    valid_count: Count
    test_count: Count
    seed: Seed


class Mixed(TypedDict, total=False):
    shares: dict[str, NotNegative]
    evaluate_on: str
    count: Count
    seed: Seed
    real: Group
    synthetic: Group


class Photometric(TypedDict, total=False):
    brightness: NotNegative
    contrast: NotNegative
    saturation: NotNegative
    hue: NotNegative
    cast: NotNegative
    gamma: NotNegative
    gray_p: Share
    invert_p: Share
    light: NotNegative
    light_p: Share
    blur: NotNegative
    blur_p: Share
    motion: NotNegative
    motion_p: Share
    low_res: Positive
    low_res_p: Share
    noise: NotNegative
    noise_p: Share
    jpeg: Annotated[int, Meta(ge=1, le=100)]
    jpeg_p: Share


class Geometric(TypedDict, total=False):
    zoom_out: Part
    zoom_out_p: Share
    zoom_in: Annotated[float, Meta(ge=1, le=100)]
    reframe: NotNegative
    stretch: NotNegative
    roam: NotNegative
    rotate: NotNegative
    shear: NotNegative
    perspective: Annotated[float, Meta(ge=0, lt=0.4)]
    max_lost: Share
    max_side: Count
    photometric: Group | None


class ColorJitter(TypedDict, total=False):
    brightness: NotNegative | list[NotNegative] | None
    contrast: NotNegative | list[NotNegative] | None
    saturation: NotNegative | list[NotNegative] | None
    hue: Number | list[Number] | None


class Nothing(TypedDict, total=False):
    """No settings at all."""


TARGETS = {
    "digits.data.coco.open_split": Coco,
    "digits.data.mixed.open_split": Mixed,
    "digits.data.svhn.open_split": Svhn,
    "digits.data.synthetic.open_split": Synthetic,
    "digits.data.photometric.Photometric": Photometric,
    "digits.data.transforms.Geometric": Geometric,
    "digits.data.transforms.identity": Nothing,
    "torchvision.transforms.v2.ColorJitter": ColorJitter,
}
