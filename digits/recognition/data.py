"""Crops of rows to learn from: any source of labelled photos, extents that err as a detector's."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from digits.data.foreign import Augmentation
from digits.data.photometric import draw_generator, to_array, to_tensor
from digits.errors import DigitsError
from digits.recognition.crops import CropOptions, Row, crop_row, row_of, to_batches
from digits.types import PhotoDataset, Target

Group = tuple[Tensor, list[str]]
"""Crops of one width, uint8 `(B, 3, 48, W)`, and their digits."""


@dataclass(frozen=True)
class RowJitter:
    """How the extents of a row err, and which part of a number it shows.

    Lengths are in digit heights.
    """

    ends: float = 0.08  # (digit heights) spread of the row's left and right end
    sides: float = 0.06  # (digit heights) spread of its top and bottom
    angle: float = 2.0  # (degrees) spread of its line
    shear: float = 0.1  # (tangent) spread of the slant
    stretch: float = 0.12  # (fraction) spread of the width
    margin: float = 0.05  # (digit heights) spread of the margin
    part_p: float = 0.2  # (probability) of a part of the number, where it has two digits or more
    beyond_p: float = 0.1  # (probability) of more than the number, at either end
    beyond: float = 0.8  # (digit heights) most that it adds
    nothing_p: float = 0.05  # (probability) of a place beside the number, where nothing is read

    def choose(self, count: int, rng: np.random.Generator) -> slice:
        """Which digits of a number of `count` the row shows."""
        if count < 2 or rng.random() >= self.part_p:
            return slice(0, count)
        shown = int(rng.integers(1, count))
        first = int(rng.integers(0, count - shown + 1))
        return slice(first, first + shown)

    def beside(self, boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A box `(1, 4)` beside a number's boxes `(N, 4)`, as large as a digit."""
        height = float((boxes[:, 3] - boxes[:, 1]).mean())
        wide, gap = rng.uniform(0.3, 0.8) * height, rng.uniform(0.05, 0.4) * height
        if rng.random() < 0.5:
            right, top = boxes[0, 0] - gap, boxes[0, 1]
            left = right - wide
        else:
            left, top = boxes[-1, 2] + gap, boxes[-1, 1]
            right = left + wide
        return np.array([[left, top, right, top + height]])

    def move(self, row: Row, rng: np.random.Generator, free: tuple[bool, bool]) -> Row:
        """The row with extents that err.

        Args:
            row: exact.
            rng: to draw from.
            free: whether the number begins and ends with the row: only there may it go beyond.
        """
        digit, unit = row.digit, (math.cos(row.angle), math.sin(row.angle))
        left, right = rng.normal(0, self.ends * digit, 2)
        top, bottom = rng.normal(0, self.sides * digit, 2)
        more = rng.uniform(0, self.beyond * digit, 2) * (rng.random(2) < self.beyond_p) * free
        left, right = left - more[0], right + more[1]
        along, across = (left + right) / 2, (top + bottom) / 2
        turn = rng.normal(0, math.radians(self.angle)) * min(1.0, 1.5 * digit / row.length)
        return Row(
            x=row.x + along * unit[0] - across * unit[1],
            y=row.y + along * unit[1] + across * unit[0],
            length=max(row.length + right - left, 0.2 * digit),
            height=max(row.height + bottom - top, 0.5 * digit),
            angle=row.angle + turn,
            digit=digit,
        )


class RowCrops(Dataset[tuple[np.ndarray, str]]):
    """The number's row of every photo, cut out.

    Args:
        photos: labelled; those without a digit are left out.
        options: margins and stretch.
        jitter: of extents, in training; `None` for exact crops.
        augment: what happens to a crop's pixels, given the place of its first digit.
    """

    def __init__(
        self,
        photos: PhotoDataset,
        options: CropOptions | None = None,
        jitter: RowJitter | None = None,
        augment: Augmentation | None = None,
    ) -> None:
        self.photos, self.options = photos, options or CropOptions()
        self.jitter, self.augment = jitter, augment

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[np.ndarray, str]:
        """The crop, uint8 `(48, w, 3)`, and its digits; no digits where the photo has none."""
        photo, target = self.photos[index]
        boxes = target["boxes"].double().numpy()
        order = np.argsort(boxes[:, 0], kind="stable")  # as the true number is ordered
        return self.crop(to_array(photo), boxes[order], target["labels"].numpy()[order])

    def crop(
        self, photo: np.ndarray, boxes: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, str]:
        """A row's crop: of a photo `(H, W, 3)`, boxes `(N, 4)` and labels `(N,)`, left to right."""
        rng, options, shear, part = draw_generator(), self.options, 0.0, slice(None)
        if not len(boxes):
            boxes = np.array([[0.0, 0.0, photo.shape[1], photo.shape[0]]])
        if self.jitter is None:
            row = row_of(boxes)
        else:
            jitter, count = self.jitter, len(boxes)
            part = jitter.choose(count, rng)
            if rng.random() < jitter.nothing_p:
                boxes, part = jitter.beside(boxes, rng), slice(0, 0)
            free = part.start == 0, part.stop == count
            row = jitter.move(row_of(boxes[part] if len(labels[part]) else boxes), rng, free)
            shear = float(rng.normal(0, jitter.shear))
            options = replace(
                options,
                margin=options.margin + float(rng.uniform(-1, 1)) * jitter.margin,
                stretch=options.stretch * math.exp(rng.normal(0, jitter.stretch)),
            )
        crop = crop_row(photo, row, options, shear)
        if self.augment is not None:
            digit = crop.shape[0] / (1 + 2 * options.margin)
            first: Target = {
                "boxes": torch.tensor([[0.0, 0.0, digit / 2, digit]]),
                "labels": torch.tensor([1]),
                "image_id": 0,
            }
            size, crop = crop.shape, to_array(self.augment(to_tensor(crop), first)[0])
            if crop.shape != size:
                raise DigitsError(
                    "augmentation: changes the size of photos; a recogniser's crops keep theirs, "
                    "say augmentation=photometric."
                )
        return crop, "".join(str(int(label) - 1) for label in labels[part])


def collate(items: list[tuple[np.ndarray, str]]) -> list[Group]:
    """A batch as groups of crops of one width."""
    groups = to_batches([crop for crop, _ in items], size=len(items))
    return [(torch.from_numpy(crops), [items[i][1] for i in chosen]) for chosen, crops in groups]
