"""Photos to the detector's input, and boxes there and back; torch only."""

# mypy: allow-subclassing-any

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes

from digits.types import Target

_LONG_STEP = 32  # (pixels) in evaluation, long sides are padded to multiples of it


class PhotoTransform(GeneralizedRCNNTransform):
    """torchvision's transform, for uint8 photos as well, and with antialiasing.

    torchvision shrinks without a filter, which breaks the thin strokes of digits in large photos.

    Args:
        min_size: short side of the resized photo, pixels, as a list; of several, training draws
            one and evaluation takes the last.
        max_size: bound on the long side, pixels.
        image_mean: of the channels R, G, B in 0..1, to subtract.
        image_std: of the same, to divide by.
        size_divisible: the sides of a batch are padded to multiples of it, pixels.
    """

    def forward(
        self, images: Sequence[Tensor], targets: Sequence[Target]
    ) -> tuple[ImageList, list[Target]]:
        """For training: a padded batch `(B, 3, H, W)` with the photos' sizes in it, and the
        targets' boxes in its pixels.

        Args:
            images: see `resize`.
            targets: one per photo; they are not changed.
        """
        pairs = [self.resize(*pair) for pair in zip(images, targets, strict=True)]
        sizes = [(image.shape[1], image.shape[2]) for image, _ in pairs]
        batch = ImageList(self.batch_images([image for image, _ in pairs]), sizes)
        return batch, [t for _, t in pairs if t is not None]

    def batches(
        self, images: Sequence[Tensor], enlargement: float = 1.0
    ) -> Iterator[tuple[list[int], ImageList]]:
        """For evaluation: the photos that are padded to one size together.

        Args:
            images: see `resize`.
            enlargement: see `resize`.

        Yields:
            Indices of photos, and their batch.
        """
        resized = [self.resize(image, None, enlargement)[0] for image in images]
        groups: dict[tuple[int, int], list[int]] = {}
        for index, image in enumerate(resized):
            groups.setdefault(self._padded(*image.shape[-2:]), []).append(index)
        for (height, width), chosen in groups.items():
            batch = resized[chosen[0]].new_zeros(len(chosen), 3, height, width)
            batch = batch.contiguous(memory_format=torch.channels_last)
            sizes = [(resized[i].shape[1], resized[i].shape[2]) for i in chosen]
            for row, index, size in zip(batch, chosen, sizes, strict=True):
                row[:, : size[0], : size[1]] = resized[index]
            yield chosen, ImageList(batch, sizes)

    def _padded(self, height: int, width: int) -> tuple[int, int]:
        """The size that a resized photo is padded to: its long side in coarser steps, so that more
        photos share a batch."""
        step = self.size_divisible
        coarse = max(step, _LONG_STEP)
        steps = (step, coarse) if width >= height else (coarse, step)
        return -(-height // steps[0]) * steps[0], -(-width // steps[1]) * steps[1]

    def resize(
        self, image: Tensor, target: Target | None = None, enlargement: float = 1.0
    ) -> tuple[Tensor, Target | None]:
        """A photo, resized and normalised, and its target in pixels of the result.

        Args:
            image: uint8 in 0..255 or float in 0..1, `(3, H, W)`.
            target: of the photo.
            enlargement: factor on `min_size` and `max_size`.
        """
        height, width = image.shape[-2:]
        short = self.torch_choice(self.min_size) if self.training else self.min_size[-1]
        short, long = round(enlargement * short), round(enlargement * self.max_size)
        scale = min(short / min(height, width), long / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        white = 255 if image.dtype == torch.uint8 else 1
        image = interpolate(image[None].float(), size, mode="bilinear", antialias=scale < 1)[0]
        image = self.normalize(image / white)  # last, when a large photo has become small
        if target is None:
            return image, None
        boxes = resize_boxes(target["boxes"], [height, width], list(size))
        return image, {**target, "boxes": boxes}

    def batch_images(self, images: list[Tensor], size_divisible: int | None = None) -> Tensor:
        """Photos padded to one size, `(B, 3, H, W)`, channels last in memory."""
        batch: Tensor = super().batch_images(images, size_divisible or self.size_divisible)
        return batch.contiguous(memory_format=torch.channels_last)
