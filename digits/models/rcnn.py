"""Faster R-CNN with a second pass over small digits, and its box predictor; torch only."""

# mypy: allow-subclassing-any

from collections import OrderedDict
from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork

from digits.models.transform import PhotoTransform
from digits.models.voting import VotingRoIHeads
from digits.models.zoom import Zoom, combine
from digits.types import NUM_CLASSES, Detections, Target

Losses = dict[str, Tensor]


class DigitPredictor(FastRCNNPredictor):
    """Class and box predictor with float32 outputs, as in `LevelRPNHead`.

    Args:
        in_channels: units of the box head.
        shared_box: one box for all classes rather than one per class; a digit's box does not
            depend on which digit it is, so the boxes of all digits train it.
    """

    def __init__(self, in_channels: int, shared_box: bool) -> None:
        super().__init__(in_channels, NUM_CLASSES)
        self.shared_box = shared_box
        if shared_box:
            self.bbox_pred = nn.Linear(in_channels, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits, deltas = super().forward(x)
        if self.shared_box:
            deltas = deltas.repeat(1, NUM_CLASSES)
        return logits.float(), deltas.float()


class DigitRCNN(GeneralizedRCNN):
    """Faster R-CNN (Ren et al. 2015, arXiv 1506.01497) from photos to digits.

    Args:
        backbone: see `BackboneSpec.features`.
        rpn: features to proposals.
        roi_heads: features and proposals to detections.
        transform: photos to the backbone's input.
        zoom: when evaluation makes a second pass; None: never.
    """

    def __init__(
        self,
        backbone: nn.Module,
        rpn: RegionProposalNetwork,
        roi_heads: VotingRoIHeads,
        transform: PhotoTransform,
        zoom: Zoom | None = None,
    ) -> None:
        super().__init__(backbone, rpn, roi_heads, transform)
        self.zoom = zoom

    def forward(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Losses | list[Detections]:
        """Losses in training, detections in pixels of each photo in evaluation.

        Args:
            images: uint8 in 0..255 or float in 0..1, each `(3, H, W)`; H and W may differ.
            targets: one per photo, in training.

        Raises:
            ValueError: training without targets, or a box without area.
        """
        if self.training:
            if targets is None:
                raise ValueError("Expected targets in training mode.")
            batch, scaled = self.transform(images, targets)
            for target in scaled:
                if not (target["boxes"][:, 2:] > target["boxes"][:, :2]).all():
                    raise ValueError("Expected target boxes with x1 < x2 and y1 < y2.")
            return self._run(batch, scaled)[1]
        found = self._detect(images)
        if self.zoom is not None:
            self._search(images, found, self.zoom)
            self._detect_windows(images, found, self.zoom)
        return found

    def _detect(self, images: Sequence[Tensor], enlargement: float = 1.0) -> list[Detections]:
        """One pass in evaluation, in batches of one padded size each.

        A photo is padded by its own size alone: networks see padding (convolutions as an edge,
        squeeze and excitation in its means), and what is found must not depend on the batch.
        """
        found: dict[int, Detections] = {}
        for chosen, batch in self.transform.batches(images, enlargement):
            detections, _ = self._run(batch)
            sizes = [images[i].shape[-2:] for i in chosen]
            scaled = self.transform.postprocess(detections, batch.image_sizes, sizes)
            found.update(zip(chosen, scaled, strict=True))
        return [found[i] for i in range(len(images))]

    def _run(
        self, batch: ImageList, targets: list[Target] | None = None
    ) -> tuple[list[Detections], Losses]:
        """Detections in pixels of the batch, empty in training; losses, empty in evaluation."""
        # float32 under autocast too, since the anchors take the type of the maps.
        features = OrderedDict((k, v.float()) for k, v in self.backbone(batch.tensors).items())
        proposals, rpn_losses = self.rpn(batch, features, targets)
        found, box_losses = self.roi_heads(features, proposals, batch.image_sizes, targets)
        return found, box_losses | rpn_losses

    def _search(self, images: Sequence[Tensor], found: list[Detections], zoom: Zoom) -> None:
        """Detect photos without digits again, enlarged; replaces their entries of `found`."""
        short = self.transform.min_size[-1]
        for factor in zoom.search:
            without = [
                index
                for index, (image, first) in enumerate(zip(images, found, strict=True))
                if not zoom.has_digits(first) and min(image.shape[-2:]) >= factor * short
            ]
            if not without:
                break
            again = self._detect([images[index] for index in without], factor)
            for index, second in zip(without, again, strict=True):
                if zoom.has_digits(second):
                    found[index] = second

    def _detect_windows(
        self, images: Sequence[Tensor], found: list[Detections], zoom: Zoom
    ) -> None:
        """Detect the parts with small digits again; replaces those photos' entries of `found`."""
        windows = {}
        for index, (image, first) in enumerate(zip(images, found, strict=True)):
            height, width = image.shape[-2:]
            if window := zoom.window(first["boxes"], first["scores"], height, width):
                windows[index] = window
        if not windows:
            return
        crops = [images[i][:, y1:y2, x1:x2] for i, (x1, y1, x2, y2) in windows.items()]
        limit = cast(int, self.roi_heads.detections_per_img)
        for (index, window), second in zip(windows.items(), self._detect(crops), strict=True):
            found[index] = combine(found[index], second, window, limit)
