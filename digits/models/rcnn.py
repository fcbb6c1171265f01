"""Faster R-CNN with a second pass over small digits, and its box predictor; torch only."""

# mypy: allow-subclassing-any

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.dlpack import from_dlpack
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

from digits.errors import DigitsError
from digits.models.batch import Losses, PhotoBatch, as_array
from digits.models.heads import BatchedRoIHeads
from digits.models.masks import mask_padding, masked, repeat_edges
from digits.models.proposals import BatchedRPN
from digits.models.transform import PhotoTransform
from digits.passes.found import Found, found_in
from digits.passes.zoom import Zoom
from digits.types import NUM_CLASSES, Detections, Target


class DigitPredictor(FastRCNNPredictor):
    """Class and box predictor with float32 outputs, as in `LevelRPNHead`.

    Args:
        in_channels: units of the box head.
        shared_box: one box `(N, 4)` for all classes rather than one per class, `(N, 4 C)`; a
            digit's box does not depend on which digit it is, so the boxes of all digits train it.
    """

    def __init__(self, in_channels: int, shared_box: bool) -> None:
        super().__init__(in_channels, NUM_CLASSES)
        if shared_box:
            self.bbox_pred = nn.Linear(in_channels, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits, deltas = super().forward(x)
        return logits.float(), deltas.float()


class DigitRCNN(GeneralizedRCNN):
    """Faster R-CNN (Ren et al. 2015, arXiv 1506.01497) from photos to digits, in whole batches.

    Args:
        backbone: see `BackboneSpec.features`.
        rpn: features to proposals.
        roi_heads: features and proposals to detections.
        transform: photos to the backbone's input.
        zoom: when evaluation makes a second pass; None: never.
        maskable: whether the backbone can take photos of several padded sizes at once
            (`BackboneSpec.maskable`).

    Attributes:
        together: whether evaluation takes them so, where it can; None: on a GPU. A processor spends
            more on the padding than it saves in calls. The detections are the same.
    """

    def __init__(
        self,
        backbone: nn.Module,
        rpn: BatchedRPN,
        roi_heads: BatchedRoIHeads,
        transform: PhotoTransform,
        zoom: Zoom | None = None,
        maskable: bool = False,
    ) -> None:
        super().__init__(backbone, rpn, roi_heads, transform)
        self.zoom = zoom
        self.maskable = maskable
        self.together: bool | None = None
        if maskable:
            mask_padding(backbone)
            mask_padding(rpn.head)

    def forward(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Losses | list[Detections]:
        """Losses in training; in evaluation detections on the CPU, in pixels of each photo.

        Args:
            images: uint8 in 0..255 or float in 0..1, each `(3, H, W)`; H and W may differ. Best on
                the CPU, whatever the device of the network: they travel in one piece.
            targets: one per photo, in training.

        Raises:
            ValueError: training without targets, or a box without area.
        """
        if self.training:
            if targets is None:
                raise ValueError("Expected targets in training mode.")
            batch, truth = self.transform(images, targets, self._device)
            maps = self._features(batch)
            proposals, losses = self.rpn(batch, maps, truth)
            return {**self.roi_heads.losses(maps, proposals, truth), **losses}
        if not images:
            return []
        found = self._detect(images)
        if self.zoom is not None:
            self.zoom.improve(images, found, self._detect, self.transform.min_size[-1])
        return [
            cast(Detections, {name: from_dlpack(values) for name, values in photo.items()})
            for photo in found.detections()
        ]

    @property
    def _device(self) -> torch.device:
        device: torch.device = next(self.parameters()).device
        return device

    def _features(self, batch: PhotoBatch) -> list[Tensor]:
        """The backbone's maps, float32 under autocast too, since boxes are sensitive."""
        return [features.float() for features in self.backbone(batch.tensors).values()]

    def _detect(self, images: Sequence[Tensor], enlargement: float | np.ndarray = 1.0) -> Found:
        """One pass in evaluation, at the usual input size times a factor of each photo or of all.

        A photo is padded by its own size alone: networks see padding (convolutions as an edge,
        squeeze and excitation in its means), and what is found must not depend on the batch.

        Raises:
            DigitsError: features that are not finite, in which nothing would be found.
        """
        device = self._device
        together = self.together if self.together is not None else device.type != "cpu"
        rows, order, sizes = [], [], []
        for chosen, batch in self.transform.batches(
            images, device, enlargement, together and self.maskable
        ):
            with masked(batch):
                maps = self._features(batch)
                proposals, _ = self.rpn(batch, maps)
            maps = [repeat_edges(features, batch) for features in maps]
            found = as_array(self.roi_heads.detect(batch, maps, proposals))
            if np.isnan(found).any():
                raise DigitsError(
                    "The detector's features are not finite: its weights are damaged, or too "
                    "large for the precision; take another checkpoint, or precision=32-true."
                )
            rows.append(found)
            order += chosen
            sizes.append(batch.sizes)
        shapes = np.array([images[i].shape[-2:] for i in order])
        limit = cast(int, self.roi_heads.detections_per_img)
        return found_in(rows, order, shapes / np.concatenate(sizes), limit)
