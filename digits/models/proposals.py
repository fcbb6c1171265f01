"""The region proposal network on whole batches; torch only."""

# mypy: allow-subclassing-any

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad, smooth_l1_loss, softplus
from torchvision.models.detection.rpn import RegionProposalNetwork

from digits.models.anchors import LevelAnchors, MapAnchors
from digits.models.batch import Boxes, Losses, PhotoBatch, Truth, as_tensor
from digits.models.boxes import clip, constant, decode, encode, has_sides, of_rows, rows
from digits.models.matching import match, sample
from digits.models.suppression import suppress

MIN_SIDE = 1e-3  # (pixels) sides of a proposal


class BatchedRPN(RegionProposalNetwork):
    """torchvision's region proposal network, without its loops over photos.

    Same modules, settings, proposals and losses. Its own forward pass is still there, for tests.
    """

    anchor_generator: LevelAnchors

    def forward(
        self, batch: PhotoBatch, maps: Sequence[Tensor], truth: Truth | None = None
    ) -> tuple[Boxes, Losses]:
        """Proposals, the surest first, and in training the losses.

        Args:
            batch: of `B` photos.
            maps: the backbone's, `(B, channels, h, w)` each.
            truth: in training.
        """
        logits, deltas = self.head(maps)
        # As anchors are ordered: rows, columns, anchors of a cell.
        logits = [x.permute(0, 2, 3, 1).flatten(1) for x in logits]
        deltas = [x.permute(0, 2, 3, 1).reshape(len(x), -1, 4) for x in deltas]
        anchors = self.anchor_generator.of(batch, maps)
        with torch.no_grad():
            proposals = self._propose(batch, logits, deltas, anchors)
        if truth is None:
            return proposals, {}
        boxes = _joined([level.boxes for level in anchors])
        return proposals, self._losses(_joined(logits), _joined(deltas), boxes, truth)

    def _propose(
        self,
        batch: PhotoBatch,
        logits: Sequence[Tensor],
        deltas: Sequence[Tensor],
        anchors: Sequence[MapAnchors],
    ) -> Boxes:
        """The best of every map `(B, N)`, decoded, without those that overlap a better one."""
        best = [
            _top(*level, self.pre_nms_top_n())
            for level in zip(logits, deltas, anchors, strict=True)
        ]
        most = max(found.shape[1] for found, _ in best)
        scores = _stacked([_longer(s, (0, most - s.shape[1]), -1.0) for s, _ in best])
        boxes = _stacked([_longer(b, (0, 0, 0, most - b.shape[1]), 0.0) for _, b in best])
        # RoIAlign reads beyond its maps where a box is not a number.
        boxes = clip(boxes.nan_to_num(0.0), batch.limits.view(-1, 1, 1, 4))
        least = constant(max(0.0, self.score_thresh), scores.device)
        real = torch.bitwise_and(has_sides(boxes, MIN_SIDE), scores >= least)
        flat = boxes.view(-1, most, 4), scores.view(-1, most), real.view(-1, most)
        kept, _ = suppress(*flat, self.nms_thresh)
        none = constant(-1.0, scores.device)
        scores = torch.where(kept, flat[1], none).view(len(scores), -1)
        scores, index = scores.topk(min(self.post_nms_top_n(), scores.shape[1]))
        return Boxes(rows(boxes.view(len(scores), -1, 4), index), scores > none)

    def _losses(self, logits: Tensor, deltas: Tensor, anchors: Tensor, truth: Truth) -> Losses:
        matcher, sampler = self.proposal_matcher, self.fg_bg_sampler
        matches = match(truth, anchors, matcher.high_threshold, matcher.low_threshold, True)
        index, drawn, most = sample(
            matches, sampler.batch_size_per_image, sampler.positive_fraction
        )
        device = logits.device
        count = drawn.sum(dtype=torch.float32).clamp(min=1.0)
        # Cross-entropy of a sigmoid: softplus(-x) for a digit, softplus(x) for the background.
        signs = np.where(np.arange(index.shape[1]) < most, np.float32(-1), np.float32(1))
        missed = softplus(logits.gather(1, index) * as_tensor(signs, device))
        digits = index[:, :most]
        chosen = of_rows(digits)
        anchors = anchors.expand(len(truth.boxes), -1, -1).gather(1, chosen)
        wanted = encode(rows(truth.boxes, matches.which.gather(1, digits)), anchors)
        moved = smooth_l1_loss(deltas.gather(1, chosen), wanted, beta=1 / 9, reduction="none")
        shown = drawn[:, :most].unsqueeze(-1)
        return {
            "loss_objectness": (missed * drawn).sum() / count,
            "loss_rpn_box_reg": (moved * shown).sum() / count,
        }


def _joined(maps: Sequence[Tensor]) -> Tensor:
    """`(B, N, ...)` of each map to `(B, all, ...)`."""
    return maps[0] if len(maps) == 1 else torch.cat(list(maps), 1)


def _stacked(maps: Sequence[Tensor]) -> Tensor:
    """`(B, N, ...)` of each map to `(B, maps, N, ...)`."""
    return maps[0].unsqueeze(1) if len(maps) == 1 else torch.stack(list(maps), 1)


def _top(logits: Tensor, deltas: Tensor, anchors: MapAnchors, count: int) -> tuple[Tensor, Tensor]:
    """Probabilities `(B, N)` and boxes of a map's best anchors; -1 where there is no anchor."""
    if anchors.outside is not None:
        logits = torch.where(anchors.outside, constant(-torch.inf, logits.device), logits)
    best, index = logits.topk(min(count, logits.shape[1]), dim=1)
    scores = best.sigmoid()
    if anchors.outside is not None:
        nowhere, none = (constant(value, scores.device) for value in (-torch.inf, -1.0))
        scores = torch.where(best > nowhere, scores, none)
    boxes = anchors.boxes.expand(len(logits), -1, -1)
    index = of_rows(index)
    return scores, decode(deltas.gather(1, index), boxes.gather(1, index))


def _longer(values: Tensor, missing: tuple[int, ...], value: float) -> Tensor:
    return pad(values, missing, value=value) if missing[-1] else values
