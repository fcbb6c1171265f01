"""The RoI heads for whole batches: training samples, detections; torch only."""

# mypy: allow-subclassing-any

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss, softmax
from torchvision.models.detection.roi_heads import RoIHeads

from digits.models.batch import Boxes, Losses, PhotoBatch, Truth, as_tensor
from digits.models.boxes import clip, constant, decode, encode, has_sides, rows
from digits.models.matching import Matches, match, sample
from digits.models.pooling import RoIPool
from digits.models.suppression import suppress

MIN_SIDE = 1e-2  # (pixels) sides of a detection


class BatchedRoIHeads(RoIHeads):
    """torchvision's RoI heads without their loops over photos, and with box voting.

    Same modules, settings, losses and detections. Their own forward pass is still there, for tests.

    Args:
        *args: of torchvision's RoIHeads.
        voting: IoU with the kept box above which a box counts (`digits.models.suppression`); None:
            no voting.
    """

    box_roi_pool: RoIPool

    moves: Tensor

    def __init__(self, *args: object, voting: float | None) -> None:
        super().__init__(*args)
        self.voting = voting
        self.register_buffer("moves", torch.tensor(self.box_coder.weights), persistent=False)

    def losses(self, maps: Sequence[Tensor], proposals: Boxes, truth: Truth) -> Losses:
        """Losses of the class and of the box.

        Args:
            maps: `(B, channels, h, w)` each.
            proposals: of `B` photos.
            truth: of the same.
        """
        boxes = torch.cat([proposals.boxes, truth.boxes], 1)
        real = torch.cat([proposals.real, truth.real], 1)
        matcher, sampler = self.proposal_matcher, self.fg_bg_sampler
        found = match(truth, boxes, matcher.high_threshold, matcher.low_threshold, False)
        masks = (torch.bitwise_and(mask, real) for mask in (found.digit, found.background))
        index, drawn, most = sample(
            Matches(found.which, *masks), sampler.batch_size_per_image, sampler.positive_fraction
        )
        which = found.which.gather(1, index)
        photos, columns = np.indices(index.shape, dtype=np.float32)
        where = as_tensor(np.stack([columns < most, photos], -1), boxes.device)
        labels = truth.labels.gather(1, which).unsqueeze(-1)
        parts = [where, rows(boxes, index), rows(truth.boxes, which), labels]
        samples = torch.cat(parts, -1)[drawn]
        features, order = self.box_roi_pool.pool(maps, samples[:, 1:6])
        logits, deltas = self.box_predictor(self.box_head(features))
        if order is not None:
            samples = samples.index_select(0, order)
        shown, _, chosen, wanted, labels = samples.split_with_sizes([1, 1, 4, 4, 1], 1)
        labels = (labels * shown)[:, 0].long()
        if deltas.shape[1] > 4:  # a box per class
            own = labels.view(-1, 1, 1).expand(-1, 1, 4)
            deltas = deltas.view(len(deltas), -1, 4).gather(1, own)[:, 0]
        moves = encode(wanted, chosen) * self.moves
        missed = smooth_l1_loss(deltas, moves, beta=1 / 9, reduction="none") * shown
        return {
            "loss_classifier": cross_entropy(logits, labels),
            "loss_box_reg": missed.sum() * (1 / max(1, len(labels))),
        }

    def detect(self, batch: PhotoBatch, maps: Sequence[Tensor], proposals: Boxes) -> Tensor:
        """The best boxes of every photo in pixels of the batch.

        Returns:
            `(B, K, 6)`: box, score and label, the highest score first; the score is -1 where there
            is none.
        """
        count, most = proposals.real.shape
        photos = np.arange(count, dtype=np.float32).repeat(most)[:, None]
        regions = proposals.boxes.flatten(0, 1)
        logits, deltas = self._predict(
            maps, torch.cat([as_tensor(photos, regions.device), regions], 1)
        )
        deltas = deltas.view(count, most, -1, 4) / self.moves  # (B, P, C or 1, 4)
        boxes = clip(decode(deltas, proposals.boxes.unsqueeze(2)), batch.limits.view(-1, 1, 1, 4))
        boxes = boxes.expand(-1, -1, logits.shape[1], -1)
        none = constant(0.0, logits.device)
        scores = softmax(logits, -1).view(count, most, -1)
        scores = torch.where(proposals.real.unsqueeze(-1), scores, none)
        return self._best(*(values.transpose(1, 2)[:, 1:] for values in (boxes, scores)))

    def _best(self, boxes: Tensor, scores: Tensor) -> Tensor:
        """The rows of `detect` from boxes `(B, digits, P, 4)` and scores `(B, digits, P)`."""
        count, kinds, most = scores.shape
        scores, order = scores.topk(most)
        boxes = rows(boxes, order)
        real = scores > constant(self.score_thresh, scores.device)
        real = torch.bitwise_and(real, has_sides(boxes, MIN_SIDE))
        flat = boxes.view(-1, most, 4), scores.view(-1, most), real.view(-1, most)
        kept, boxes = suppress(*flat, self.nms_thresh, self.voting)
        none = constant(-1.0, scores.device)
        scores = torch.where(kept, flat[1], none).view(count, -1)
        scores, index = scores.topk(min(self.detections_per_img, scores.shape[1]))
        digits = np.arange(1, kinds + 1, dtype=np.float32).repeat(most)
        labels = as_tensor(digits, index.device).take(index)
        boxes = rows(boxes.view(count, -1, 4), index)
        return torch.cat([boxes, scores.unsqueeze(-1), labels.unsqueeze(-1)], -1)

    def _predict(self, maps: Sequence[Tensor], regions: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `(N, C)` and deltas `(N, 4 C)`, or `(N, 4)` for all classes, of regions `(N, 5)`:
        photo and box."""
        features, order = self.box_roi_pool.pool(maps, regions)
        logits, deltas = self.box_predictor(self.box_head(features))
        if order is None:
            return logits, deltas
        back = order.argsort()
        return logits.index_select(0, back), deltas.index_select(0, back)
