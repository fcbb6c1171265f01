"""Augmentations: callables `(image, target) -> (image, target)`.

The image is a uint8 tensor `(3, H, W)`, RGB; of the target, `boxes` and `labels` may change.
`torchvision.transforms.v2.ColorJitter` is such a callable too.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from digits.data.photometric import Array, Photometric, draw_generator, to_array, to_tensor
from digits.data.warping import clip_boxes, extend, warp_boxes
from digits.types import Target

_STEEPEST = 45.0  # degrees; beyond, a number's digits stand under rather than beside each other


def identity(image: Tensor, target: Target) -> tuple[Tensor, Target]:
    """No augmentation."""
    return image, target


def _shift(x: float, y: float) -> Array:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


@dataclass(frozen=True)
class Geometric:
    """One projective warp (never a flip), then `photometric`.

    First a window is drawn, larger (digits get smaller) or smaller than the photo, that holds every
    box; then stretch, rotation, shear and perspective about its centre. All are composed into one
    resampling. Pixels keep their size, so the photo grows, up to `max_side`.
    """

    zoom_out: float = 0.4  # (factor) smallest digit height relative to the photo's
    zoom_out_p: float = 0.5  # (probability) of zooming out
    zoom_in: float = 1.15  # (factor) largest digit height relative to the photo's
    reframe: float = 0.2  # (fraction) spread of the photo's width / height
    stretch: float = 0.2  # (fraction) spread of the digits' width / height
    roam: float = 0.1  # (fraction of the window) how far it may leave the photo
    rotate: float = 6.0  # (degrees) usual turn: half are below 0.7 of it, 2 % above 4 times it
    steep_p: float = 0.2  # (probability) of any turn up to 45 degrees instead
    shear: float = 0.2  # (tangent) largest slant
    perspective: float = 0.1  # (fraction) largest change of depth from the centre to an edge
    max_lost: float = 0.1  # (fraction of a box) cut off at most; beyond it the draw is repeated
    max_side: int = 384  # (px) longest side of the result, unless the photo was larger already
    photometric: Photometric | None = None  # what follows the warp

    def __call__(self, image: Tensor, target: Target) -> tuple[Tensor, Target]:
        rng = draw_generator()
        height, width = image.shape[-2:]
        boxes, share = clip_boxes(target["boxes"].double().numpy(), width, height)
        keep = share >= 0.3
        boxes = boxes[keep]
        for _ in range(6):
            matrix, size = self._draw(boxes, width, height, rng)
            warped, share = clip_boxes(warp_boxes(boxes, matrix), *size)
            if (share >= 1 - self.max_lost).all():
                image = to_tensor(self._warp(to_array(image), boxes, matrix, size, rng))
                break
        else:
            warped = boxes
        target = {
            **target,
            "boxes": torch.from_numpy(warped).float(),
            "labels": target["labels"][torch.from_numpy(keep)],
        }
        return self.photometric(image, target) if self.photometric else (image, target)

    def _draw(
        self, boxes: Array, width: int, height: int, rng: np.random.Generator
    ) -> tuple[Array, tuple[int, int]]:
        """A matrix (3, 3), photo pixel -> canvas pixel, and the canvas's (width, height)."""
        photo = np.array([width, height], dtype=float)
        low, high = (boxes[:, :2].min(0), boxes[:, 2:].max(0)) if len(boxes) else (photo / 2,) * 2
        zoom_out = rng.random() < self.zoom_out_p
        zoom = self.zoom_out ** rng.random() if zoom_out else rng.uniform(1, self.zoom_in)
        split = np.array([0.5, -0.5])  # width takes one half of the change, height the other
        reframe = (1 + self.reframe) ** (rng.uniform(-1, 1) * split)
        stretch = (1 + self.stretch) ** (rng.uniform(-1, 1) * split)
        view = np.maximum(photo / zoom * reframe, 1.05 * (high - low))
        first = np.maximum(np.minimum(0, photo - view) - self.roam * view, high - view)
        last = np.minimum(np.maximum(0, photo - view) + self.roam * view, low)
        centre = rng.uniform(first, last) + view / 2

        canvas = view * stretch
        canvas *= min(1, max(self.max_side, width, height) / canvas.max())
        size = np.maximum(canvas.round(), 1)
        # Laplace, as SVHN's numbers tilt: most hardly, 5 % beyond 23 degrees.
        turn = np.clip(rng.laplace(0, self.rotate), -_STEEPEST, _STEEPEST)
        if self.steep_p and rng.random() < self.steep_p:  # SVHN has few, which are never learnt
            turn = rng.uniform(-_STEEPEST, _STEEPEST)
        angle = math.radians(turn)
        cos, sin = math.cos(angle), math.sin(angle)
        rotate = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        shear = np.array([[1, rng.uniform(-self.shear, self.shear), 0], [0, 1, 0], [0, 0, 1]])
        perspective = np.eye(3)
        perspective[2, :2] = rng.uniform(-self.perspective, self.perspective, 2) / (size / 2)
        tilt = perspective @ rotate @ shear @ np.diag([*size / view, 1])
        matrix = _shift(*size / 2) @ tilt @ _shift(*-centre)
        return matrix, (int(size[0]), int(size[1]))

    def _warp(
        self,
        photo: Array,
        boxes: Array,
        matrix: Array,
        size: tuple[int, int],
        rng: np.random.Generator,
    ) -> Array:
        width, height = size
        ends = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]])
        ends = ends @ np.linalg.inv(matrix).T
        ends = ends[:, :2] / ends[:, 2:]
        over = np.concatenate([-ends.min(0), ends.max(0) - photo.shape[1::-1]])
        pad = np.ceil(over + 1).clip(0).astype(int)
        photo = extend(photo, boxes, pad, rng)
        shrink = math.sqrt(abs(np.linalg.det(matrix[:2, :2])))
        if shrink < 0.9:  # cubic interpolation alone would alias
            photo = cv2.GaussianBlur(photo, (0, 0), 0.5 * math.sqrt(shrink**-2 - 1))
        # Boxes count from a pixel's edge, OpenCV from its centre.
        matrix = _shift(-0.5, -0.5) @ matrix @ _shift(0.5 - pad[0], 0.5 - pad[1])
        warped = cv2.warpPerspective(
            photo, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(warped)
