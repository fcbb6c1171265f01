"""Adapt augmentations of other libraries or of the user, and check that they move the boxes.

Boxes move with the pixels, or the augmentation is refused before training starts: torchvision's v2
transforms and what is built from them see `tv_tensors`, albumentations get their boxes as they
want them, and all are tried on a drawn photo whose boxes are known.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from digits.data.photometric import Photometric, to_array, to_tensor
from digits.data.transforms import Geometric, identity
from digits.errors import DigitsError, one_line
from digits.types import Target

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks a server

Augmentation = Callable[[Tensor, Target], tuple[Tensor, Target]]
_MIN_SIDE = 1.0  # (px) sides of a box that stays
_MIN_VISIBLE = 0.3  # (share) of a box that stays, where the library knows it
_MAX_ROUNDING = 2  # (px) by which RandomRotation(expand=True) sizes photo and boxes differently
_TRIES = 24  # on the drawn photo
_MAX_ASTRAY = 0.2  # (share) of the tries in which a box may lie where nothing is: erased, say


def adapted(augmentation: Any) -> Augmentation:
    """Wrap an augmentation in the form that training calls: `(photo, target)` to the same.

    Args:
        augmentation: one of `digits.data.transforms`, which stays as it is; a transform of
            albumentations or of `torchvision.transforms.v2`; or any callable of that form.

    Raises:
        DigitsError: it fails, gives something else, or leaves boxes where they were.
    """
    function = augmentation.func if isinstance(augmentation, partial) else augmentation
    if function is identity or isinstance(function, Geometric | Photometric):
        return cast(Augmentation, augmentation)
    name = _name(function)
    foreign = any(kind.__module__.startswith("albumentations.") for kind in type(function).__mro__)
    use = _Albumentations(augmentation) if foreign else _TvTensors(augmentation, name)
    with torch.random.fork_rng(devices=[]):
        _try_out(use, name)
    return use


class _TvTensors:
    """Calls an augmentation with the photo as an Image, the boxes as BoundingBoxes."""

    def __init__(self, augmentation: Augmentation, name: str) -> None:
        self.augmentation, self.name = augmentation, name

    def __call__(self, image: Tensor, target: Target) -> tuple[Tensor, Target]:
        size = (image.shape[-2], image.shape[-1])
        boxes = tv_tensors.BoundingBoxes(target["boxes"], format="XYXY", canvas_size=size)
        given = cast(Target, {**target, "boxes": boxes})
        photo, changed = self.augmentation(tv_tensors.Image(image), given)
        return _checked(photo, changed, self.name)


class _Albumentations:
    """Calls a transform of albumentations, seeded from torch's stream like ours."""

    def __init__(self, transform: Any) -> None:
        import albumentations

        boxes = albumentations.BboxParams(
            format="pascal_voc", label_fields=["labels"], clip=True, filter_invalid_bboxes=True,
            min_width=_MIN_SIDE, min_height=_MIN_SIDE, min_visibility=_MIN_VISIBLE,
        )  # fmt: skip
        self.transform = albumentations.Compose([transform], bbox_params=boxes)

    def __call__(self, image: Tensor, target: Target) -> tuple[Tensor, Target]:
        self.transform.set_random_seed(int(torch.randint(2**31, ())))
        found = self.transform(
            image=to_array(image), bboxes=target["boxes"].numpy(), labels=target["labels"].numpy()
        )
        boxes = torch.as_tensor(np.asarray(found["bboxes"], dtype=np.float32)).reshape(-1, 4)
        labels = torch.as_tensor(np.asarray(found["labels"], dtype=np.int64))
        changed = cast(Target, {**target, "boxes": boxes, "labels": labels})
        return _checked(to_tensor(np.asarray(found["image"])), changed, "albumentations")


def _checked(photo: Any, target: Any, name: str) -> tuple[Tensor, Target]:
    """Check what an augmentation returned; plain tensors, boxes clipped, slivers left out."""
    if not isinstance(photo, Tensor) or photo.dtype != torch.uint8 or photo.shape[:-2] != (3,):
        got = f"{photo.dtype} {tuple(photo.shape)}" if isinstance(photo, Tensor) else type(photo)
        raise _refused(
            name, f"gives {got}, expected uint8 (3, H, W); the detector normalises by itself"
        )
    height, width = photo.shape[-2:]
    boxes, labels = target["boxes"], target["labels"]
    if isinstance(boxes, tv_tensors.BoundingBoxes):
        apart = torch.tensor(boxes.canvas_size) - torch.tensor([height, width])
        if apart.abs().max() > _MAX_ROUNDING:
            raise _refused(name, "changes the photo's size without its boxes")
        boxes = v2.functional.convert_bounding_box_format(boxes, new_format="XYXY")
    plain = torch.as_tensor(boxes).as_subclass(Tensor).float()
    if plain.shape != (len(labels), 4):
        raise _refused(name, f"gives boxes {tuple(plain.shape)} for {len(labels)} labels")
    plain = plain.clamp(min=0).minimum(torch.tensor([width, height] * 2))
    kept = ((plain[:, 2:] - plain[:, :2]) >= _MIN_SIDE).all(dim=1)
    changed = {**target, "boxes": plain[kept], "labels": labels[kept]}
    return photo.as_subclass(Tensor).contiguous(), cast(Target, changed)


def _try_out(augmentation: Augmentation, name: str) -> None:
    """Refuse an augmentation that fails on a drawn photo, or whose boxes leave its digits."""
    boxes = torch.tensor([[30.0, 12.0, 50.0, 46.0], [56.0, 14.0, 78.0, 48.0]])
    photo = torch.full((3, 96, 160), 60, dtype=torch.uint8)
    for left, top, right, bottom in boxes.int().tolist():
        photo[:, top:bottom, left:right] = 230
    target: Target = {"boxes": boxes, "labels": torch.tensor([2, 5]), "image_id": 1}
    astray = 0
    for _ in range(_TRIES):
        try:
            image, moved = augmentation(photo.clone(), {**target, "boxes": boxes.clone()})
        except DigitsError:
            raise
        except Exception as error:  # whatever code of others raises
            old = name.startswith("torchvision.transforms.transforms")
            hint = ", say torchvision.transforms.v2" if old else ""
            text = f"{type(error).__name__}: {one_line(error)[:200]}"
            raise _refused(
                name, f"cannot be called with a photo and a target{hint} ({text})"
            ) from (error)
        astray += _astray(image.float().mean(0).numpy(), moved["boxes"].int().tolist())
    if astray > _MAX_ASTRAY * _TRIES:
        raise _refused(name, f"left boxes beside the digits in {astray} of {_TRIES} drawn photos")


def _astray(grey: np.ndarray, boxes: list[list[int]]) -> bool:
    """Whether the middle of any box shows the wall rather than ink."""
    ink = np.abs(grey - np.median(grey))
    least = np.quantile(ink, 0.99) / 4
    for left, top, right, bottom in boxes:
        x, y = (right - left) // 4, (bottom - top) // 4
        middle = ink[top + y : bottom - y, left + x : right - x]
        if middle.size and middle.mean() < least:
            return True
    return False


def _name(function: Any) -> str:
    """Its import path without private modules."""
    named = function if hasattr(function, "__qualname__") else type(function)
    public = [part for part in named.__module__.split(".") if not part.startswith("_")]
    return ".".join([*public, named.__qualname__])


def _refused(name: str, reason: str) -> DigitsError:
    return DigitsError(f"augmentation: {name} {reason}.")
