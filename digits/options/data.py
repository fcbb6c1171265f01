"""Settings of `data` and `augmentation`."""

from typing import Annotated, TypedDict

from msgspec import Meta

from digits.options.types import Amount, File, Group, Nothing, NotNegative, Photos, Seed, Share

_TWO = Meta(min_length=2, max_length=2)
_HalfTurn = Annotated[float, Meta(ge=0, le=0.5)]
_Turn = Annotated[float, Meta(ge=-0.5, le=0.5)]


class Coco(TypedDict, total=False):
    root: File | None
    verify: bool


class Svhn(TypedDict, total=False):
    root: File | None
    download: bool
    valid_share: Share


class Synthetic(TypedDict, total=False):
    train_count: Photos
    valid_count: Photos
    test_count: Photos
    seed: Seed


class Mixed(TypedDict, total=False):
    shares: dict[str, NotNegative]
    evaluate_on: str
    count: Photos
    seed: Seed
    real: Group
    synthetic: Group


class Photometric(TypedDict, total=False):
    brightness: Amount
    contrast: Amount
    saturation: Amount
    hue: Amount
    cast: Amount
    gamma: Amount
    gray_p: Share
    invert_p: Share
    light: Amount
    light_p: Share
    blur: Amount
    blur_p: Share
    motion: Amount
    motion_p: Share
    low_res: Annotated[float, Meta(ge=1, le=1000)]
    low_res_p: Share
    noise: Annotated[float, Meta(ge=0, le=255)]
    noise_p: Share
    jpeg: Annotated[int, Meta(ge=1, le=100)]
    jpeg_p: Share


class Geometric(TypedDict, total=False):
    zoom_out: Annotated[float, Meta(ge=0.01, le=1)]
    zoom_out_p: Share
    zoom_in: Annotated[float, Meta(ge=1, le=100)]
    reframe: Amount
    stretch: Amount
    roam: Amount
    rotate: Annotated[float, Meta(ge=0, le=180)]
    steep_p: Share
    shear: Amount
    perspective: Annotated[float, Meta(ge=0, lt=0.4)]
    max_lost: Share
    max_side: Annotated[int, Meta(ge=1, le=8192)]
    photometric: Group | None


class ColorJitter(TypedDict, total=False):
    brightness: Amount | Annotated[list[Amount], _TWO] | None
    contrast: Amount | Annotated[list[Amount], _TWO] | None
    saturation: Amount | Annotated[list[Amount], _TWO] | None
    hue: _HalfTurn | Annotated[list[_Turn], _TWO] | None


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
