"""Box voting: a detection's box is the weighted mean of all boxes found there; torch only."""

# mypy: allow-subclassing-any

import torch
from torch import Tensor
from torch.nn.functional import softmax
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import clip_boxes_to_image

Results = tuple[list[Tensor], list[Tensor], list[Tensor]]


class VotingRoIHeads(RoIHeads):
    """torchvision's RoI heads with box voting (Gidaris & Komodakis 2015, arXiv 1505.01749).

    Some ten proposals hit a digit, and each gives a box. Suppression keeps the one of the highest
    score; voting replaces it by the mean of all that overlap it, weighted by their scores for the
    same digit.

    Args:
        *args: of torchvision's RoIHeads.
        voting: IoU with the kept box above which a box counts; None: no voting.
    """

    def __init__(self, *args: object, voting: float | None) -> None:
        super().__init__(*args)
        self.voting = voting

    def postprocess_detections(
        self,
        class_logits: Tensor,
        box_regression: Tensor,
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
    ) -> Results:
        """Logits `(R, C)` and deltas `(R, 4 C)` of all proposals to boxes `(K, 4)`, scores and
        labels `(K,)` per photo."""
        results: Results = super().postprocess_detections(
            class_logits, box_regression, proposals, image_shapes
        )
        if self.voting is None:
            return results
        counts = [len(boxes) for boxes in proposals]
        candidates = torch.split(self.box_coder.decode(box_regression, proposals), counts)
        probabilities = torch.split(softmax(class_logits, -1), counts)
        boxes = [
            vote(kept, labels, clip_boxes_to_image(found, shape), scores, self.voting)
            for kept, labels, found, scores, shape in zip(
                results[0], results[2], candidates, probabilities, image_shapes, strict=True
            )
        ]
        return boxes, results[1], results[2]


def vote(
    kept: Tensor, labels: Tensor, candidates: Tensor, probabilities: Tensor, iou: float
) -> Tensor:
    """The boxes that suppression kept, each moved to the weighted mean of those around it.

    Args:
        kept: `(K, 4)` xyxy.
        labels: their classes, `(K,)`.
        candidates: boxes of every proposal for every class, `(P, C, 4)`.
        probabilities: of every proposal for every class, `(P, C)`.
        iou: a candidate counts if it overlaps the kept box by more.

    Returns:
        `(K, 4)`.
    """
    boxes = candidates[:, labels]  # (P, K, 4): each kept box against the candidates of its class
    low, high = boxes[..., :2].maximum(kept[:, :2]), boxes[..., 2:].minimum(kept[:, 2:])
    overlap = (high - low).clamp(min=0).prod(-1)
    areas, kept_areas = ((b[..., 2:] - b[..., :2]).prod(-1) for b in (boxes, kept))
    near = overlap > iou * (areas + kept_areas - overlap)
    weights = (probabilities[:, labels] * near)[..., None]
    total = weights.sum(0)
    mean = (weights * boxes).sum(0) / total.clamp(min=1e-12)
    return mean.where(total > 1e-12, kept)
