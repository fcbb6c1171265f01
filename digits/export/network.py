"""One pass of the detector as a graph of tensors, for tracing; torch only.

The layers, settings and arithmetic of `digits.models`, without what depends on the data in Python:
sizes and strides are tensors, counts are fixed, and what is not there has score 0.
"""

# mypy: allow-subclassing-any

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.onnx.operators import shape_as_tensor
from torchvision.ops import roi_align

from digits.models.boxes import clip, decode, has_sides, overlaps, rows
from digits.models.heads import MIN_SIDE as _MIN_DETECTION
from digits.models.proposals import MIN_SIDE as _MIN_PROPOSAL
from digits.models.rcnn import DigitRCNN
from digits.models.suppression import vote
from digits.models.transform import LONG_STEP

_ROUNDS = 16  # of suppression; two to five settle all
_NO_ANCHOR = -1e4  # logit of an anchor that is not there


class OnePass(nn.Module):
    """Photos of one size to boxes, scores and labels.

    Args:
        model: the detector. Its second pass over small digits is not part of the graph.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: DigitRCNN) -> None:
        super().__init__()
        self.backbone, self.rpn = model.backbone, model.rpn
        self.heads, self.transform = model.roi_heads, model.transform
        for name in ("mean", "std"):
            values = getattr(self.transform, name).view(3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, photos: Tensor, enlargement: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One pass.

        Args:
            photos: uint8 `(N, 3, H, W)`, RGB.
            enlargement: float32 `()`, factor on the detector's input size; 1 as trained.

        Returns:
            Boxes float32 `(N, K, 4)` xyxy in pixels of the photos, scores `(N, K)`, highest first,
            and labels int64 `(N, K)`, digit + 1; where there is none, all are 0.
        """
        shape = shape_as_tensor(photos)[-2:].double()  # H, W
        size = self._size(shape, enlargement.double())
        down, across = (_weights(shape[i], *size[:, i]) for i in (0, 1))
        x = (photos.float() - self.mean) / self.std
        x = torch.matmul(torch.matmul(down, x), across.T)
        limits = size[0].flip(0).repeat(2).float()
        maps = [features.float() for features in self.backbone(x).values()]
        proposals, real = self._propose(x, maps, limits)
        boxes, scores, labels = self._detect(maps, proposals, real, limits)
        return boxes * (shape / size[0]).flip(0).repeat(2).float(), scores, labels

    def _size(self, shape: Tensor, enlargement: Tensor) -> Tensor:
        """Height and width resized to, and what these are padded to, `(2, 2)`."""
        short, long = self.transform.min_size[-1], self.transform.max_size
        scale = torch.minimum(
            (enlargement * short).round() / shape.min(), (enlargement * long).round() / shape.max()
        )
        size = (shape * scale).round().clamp(min=1)
        fine = float(self.transform.size_divisible)
        steps = torch.tensor([fine, max(fine, LONG_STEP)], dtype=torch.float64)
        steps = torch.where(size[1] >= size[0], steps, steps.flip(0))
        return torch.stack([size, (size / steps).ceil() * steps])

    def _propose(self, x: Tensor, maps: Sequence[Tensor], limits: Tensor) -> tuple[Tensor, Tensor]:
        """The proposals `(N, P, 4)` of highest score, and which of them are real."""
        cells, count = self.rpn.anchor_generator.cell_anchors, self.rpn.pre_nms_top_n()
        least, found = max(0.0, self.rpn.score_thresh), []
        for logits, deltas, cell in zip(*self.rpn.head(maps), cells, strict=True):
            boxes = _grid(shape_as_tensor(x), shape_as_tensor(logits), cell)
            flat = logits.permute(0, 2, 3, 1).flatten(1)
            moves = deltas.permute(0, 2, 3, 1).reshape(flat.shape[0], -1, 4)
            # With as many that are not there, so that any map has enough to choose from.
            flat = torch.cat([flat, torch.full_like(flat[:, :1], _NO_ANCHOR).expand(-1, count)], 1)
            moves = torch.cat([moves, torch.zeros_like(moves[:, :1]).expand(-1, count, -1)], 1)
            boxes = torch.cat([boxes, torch.zeros_like(boxes[:1]).expand(count, -1)])
            best, index = flat.topk(count)
            chosen = clip(decode(rows(moves, index), boxes[index]), limits)
            scores = best.sigmoid()
            real = has_sides(chosen, _MIN_PROPOSAL) & (scores >= least) & (best > _NO_ANCHOR / 2)
            kept = _greedy(overlaps(chosen, chosen) > self.rpn.nms_thresh, real)
            found.append((chosen, torch.where(kept, scores, -1.0)))
        scores = torch.cat([scores for _, scores in found], 1)
        best, index = scores.topk(min(self.rpn.post_nms_top_n(), count * len(found)))
        return rows(torch.cat([boxes for boxes, _ in found], 1), index), best >= 0

    def _detect(
        self, maps: Sequence[Tensor], proposals: Tensor, real: Tensor, limits: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        heads, count = self.heads, proposals.shape[1]
        photo = torch.ones_like(real[:, :1]).float().cumsum(0) - 1
        regions = torch.cat([photo.expand(-1, count).reshape(-1, 1), proposals.reshape(-1, 4)], 1)
        logits, deltas = heads.box_predictor(heads.box_head(self._pool(maps, regions)))
        classes = logits.shape[1]
        moves = deltas.reshape(-1, count, deltas.shape[1] // 4, 4) / heads.moves
        boxes = clip(decode(moves, proposals.unsqueeze(2)), limits)
        boxes = boxes.expand(-1, -1, classes, -1)[:, :, 1:].transpose(1, 2)  # (N, 10, P, 4)
        scores = logits.softmax(-1).reshape(-1, count, classes)
        scores = torch.where(real.unsqueeze(-1), scores, 0.0)[:, :, 1:].transpose(1, 2)
        scores, order = scores.flatten(0, 1).topk(count)  # (N * 10, P)
        boxes = rows(boxes.flatten(0, 1), order)
        iou = overlaps(boxes, boxes)
        real = (scores > heads.score_thresh) & has_sides(boxes, _MIN_DETECTION) & (scores > 0)
        kept = torch.where(_greedy(iou > heads.nms_thresh, real), scores, 0.0)
        if heads.voting is not None:
            boxes = vote(boxes, scores, iou, heads.voting)
        kept, boxes = kept.view(-1, (classes - 1) * count), boxes.view(-1, (classes - 1) * count, 4)
        best, index = kept.topk(min(heads.detections_per_img, kept.shape[1]))
        there = best > 0
        labels = torch.where(there, index // count + 1, 0)
        boxes = torch.where(there.unsqueeze(-1), rows(boxes, index), 0.0)
        return boxes, best, labels

    def _pool(self, maps: Sequence[Tensor], regions: Tensor) -> Tensor:
        """Features of boxes, each from the map that suits its size, in their order."""
        pool = self.heads.box_roi_pool
        areas = (regions[:, 3:] - regions[:, 1:3]).prod(1)
        levels = (areas.unsqueeze(1) >= pool.areas).sum(1)
        order, pooled = [], []
        for level, (features, stride) in enumerate(zip(maps, pool.strides, strict=False)):
            (index,) = (levels == level).nonzero(as_tuple=True)
            some = regions[index]
            pooled.append(
                roi_align(features, some, pool.output_size, 1 / stride, pool.sampling_ratio)
            )
            order.append(index)
        features = torch.cat(pooled)
        return features if len(order) == 1 else features[torch.cat(order).argsort()]


def _weights(old: Tensor, new: Tensor, padded: Tensor) -> Tensor:
    """What each pixel of a line adds to each resized one, `(padded, old)`; beyond `new`, nothing.

    As in `digits.models.resizing`.
    """
    scale = (old / new).float()
    sources = _range(old.long()).float() + 0.5
    targets = _range(padded.long()).float().unsqueeze(1)
    apart = ((targets + 0.5) * scale - sources).abs()
    weights = (1 - apart / scale.clamp(min=1)).clamp(min=0)
    weights = torch.where(targets < new.float(), weights, 0.0)
    return weights / weights.sum(1, keepdim=True).clamp(min=1e-6)


def _grid(photo: Tensor, features: Tensor, cell: Tensor) -> Tensor:
    """Anchors `(h * w * A, 4)` of a map, in the order of its rows, columns and anchors."""
    cells = features[-2:]
    steps = torch.div(photo[-2:], cells, rounding_mode="floor")
    y = (_range(cells[0]) * steps[0]).float().view(-1, 1, 1)
    x = (_range(cells[1]) * steps[1]).float().view(1, -1, 1)
    x, y = x + torch.zeros_like(y), y + torch.zeros_like(x)
    return (torch.cat([x, y, x, y], -1).reshape(-1, 1, 4) + cell).reshape(-1, 4)


def _range(count: Tensor) -> Tensor:
    """0, 1, ... `count` numbers; tracing follows a count that is a tensor."""
    return torch.arange(cast(int, count))


def _greedy(rivals: Tensor, real: Tensor) -> Tensor:
    """`digits.models.suppression.greedy` with a fixed number of rounds."""
    later = torch.ones(rivals.shape[-2:]).triu(1)
    against, every = rivals.float() * later, real.float().unsqueeze(-2)
    kept = every
    for _ in range(min(_ROUNDS, rivals.shape[-1])):
        kept = (every - torch.matmul(kept, against)).clamp(min=0)
    return kept.squeeze(-2) > 0
