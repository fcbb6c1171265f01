"""Augmentations of torchvision and albumentations: boxes stay on the digits that they mark."""

from collections.abc import Callable
from typing import Any

import made
import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision import transforms as v1
from torchvision.transforms import v2

from digits.data.foreign import adapted
from digits.data.transforms import Geometric
from digits.errors import DigitsError
from digits.types import Target

DIGITS = ((8, 10, 22, 40), (30, 14, 46, 46), (60, 8, 84, 44))


def drawn() -> tuple[Tensor, Target]:
    """A dark photo with a red, a green and a blue digit, of labels 1, 2 and 3."""
    photo = torch.full((3, 56, 110), 40, dtype=torch.uint8)
    for channel, (left, top, right, bottom) in enumerate(DIGITS):
        photo[channel, top:bottom, left:right] = 250
    boxes = torch.tensor(DIGITS, dtype=torch.float32)
    return photo, {"boxes": boxes, "labels": torch.tensor([1, 2, 3]), "image_id": 7}


def ink_of(photo: Tensor, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels of a digit."""
    ys, xs = np.where(photo[label - 1].numpy() > 145)
    return ys, xs


def on_digits(photo: Tensor, target: Target) -> bool:
    """Whether every box reaches just as far as the ink of its own digit."""
    for box, label in zip(target["boxes"], target["labels"], strict=True):
        ys, xs = ink_of(photo, int(label))
        if not len(xs):
            return False
        ink = torch.tensor([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]).float()
        if not torch.allclose(box, ink, atol=2.5):
            return False
    return True


def _albumentations(name: str, **arguments: Any) -> Callable[[], Any]:
    def make() -> Any:
        library = pytest.importorskip("albumentations")
        return getattr(library, name)(**arguments)

    return make


MOVING: dict[str, Callable[[], Any]] = {
    "RandomAffine": lambda: v2.RandomAffine(0, translate=(0.1, 0.1), scale=(0.7, 1.3)),
    "RandomHorizontalFlip": lambda: v2.RandomHorizontalFlip(1.0),
    "RandomZoomOut": lambda: v2.RandomZoomOut(p=1.0),
    "RandomIoUCrop": v2.RandomIoUCrop,
    "Resize": lambda: v2.Resize((112, 220)),
    "Compose": lambda: v2.Compose([v2.RandomVerticalFlip(), v2.RandomAffine(0, scale=(0.5, 0.9))]),
    "albumentations.HorizontalFlip": _albumentations("HorizontalFlip", p=1),
    "albumentations.Affine": _albumentations("Affine", scale=(0.7, 1.2), p=1),
    "albumentations.Transpose": _albumentations("Transpose", p=1),
}


@pytest.mark.parametrize("name", MOVING)
def test_boxes_move_with_the_digits(name: str) -> None:
    augmentation = adapted(MOVING[name]())
    moved = 0
    for _ in range(8):
        photo, target = augmentation(*drawn())
        assert photo.dtype == torch.uint8 and type(photo) is type(target["boxes"]) is Tensor
        assert target["image_id"] == 7 and on_digits(photo, target)
        moved += not torch.equal(photo, drawn()[0])
    assert moved > 4


def test_boxes_that_stay_behind_would_be_noticed() -> None:
    photo, target = drawn()
    assert on_digits(photo, target) and not on_digits(photo.flip(2), target)


def test_a_rotated_digit_lies_within_its_box() -> None:
    augmentation = adapted(v2.RandomAffine(25))
    for _ in range(8):
        photo, target = augmentation(*drawn())
        for box, label in zip(target["boxes"], target["labels"], strict=True):
            ys, xs = ink_of(photo, int(label))
            low, high = box[:2] - 1.5, box[2:] + 1.5
            assert low[0] <= xs.min() and low[1] <= ys.min()
            assert xs.max() <= high[0] and ys.max() <= high[1]


def test_a_digit_that_leaves_the_photo_loses_its_box_and_label() -> None:
    augmentation = adapted(v2.RandomAffine(0, translate=(0.9, 0.0)))
    counts = set()
    for _ in range(30):
        photo, target = augmentation(*drawn())
        assert len(target["boxes"]) == len(target["labels"])
        assert (target["boxes"][:, 2] <= photo.shape[2]).all()
        assert (target["boxes"][:, 2:] - target["boxes"][:, :2] >= 1).all()
        counts.add(len(target["labels"]))
    assert len(counts) > 1


def test_a_photo_without_digits() -> None:
    for name in ("RandomAffine", "albumentations.HorizontalFlip"):
        _, target = adapted(MOVING[name]())(drawn()[0], made.target())
        assert target["boxes"].shape == (0, 4) and target["labels"].dtype == torch.int64


@pytest.mark.parametrize("name", ["Compose", "albumentations.Affine"])
def test_the_same_seed_gives_the_same_photos(name: str) -> None:
    def photos(seed: int) -> Tensor:
        augmentation = adapted(MOVING[name]())
        torch.manual_seed(seed)
        return torch.stack([augmentation(*drawn())[0] for _ in range(4)])

    assert torch.equal(photos(3), photos(3)) and not torch.equal(photos(3), photos(4))


def test_trying_an_augmentation_out_changes_no_other_draw() -> None:
    torch.manual_seed(5)
    adapted(v2.RandomAffine(10))
    after = torch.rand(())
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(()))


def test_ours_stay_as_they_are() -> None:
    ours = Geometric()
    assert adapted(ours) is ours


def mirror_pixels_alone(photo: Tensor, target: Target) -> tuple[Tensor, Target]:
    return photo.flip(2), target


REFUSED = {
    "pixels alone": (mirror_pixels_alone, "mirror_pixels_alone left boxes beside the digits in"),
    "v1": (v1.RandomAffine(10), "say torchvision.transforms.v2"),
    "float": (v2.ToDtype(torch.float32, scale=True), "gives torch.float32 .*expected uint8"),
    "PIL": (v2.ToPILImage(), "v2.ToPILImage gives .*Image.*expected uint8"),
    "five crops": (v2.FiveCrop(20), "not supported by FiveCrop"),
    "no callable": ("flip", "'str' object is not callable"),
    "boxes alone": (lambda p, t: (p, t | {"labels": t["labels"][:1]}), r"boxes \(2, 4\) for 1"),
    "canvas": (lambda p, t: (p[:, ::2], t), "changes the photo's size without its boxes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_spoil_labels_is_refused(name: str) -> None:
    augmentation, says = REFUSED[name]
    with pytest.raises(DigitsError, match=says) as caught:
        adapted(augmentation)
    assert "\n" not in str(caught.value)
