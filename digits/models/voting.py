"""Boxes that are the mean of all that were found at their place; torch only, no Lightning."""

from torch import Tensor
from torch.nn.functional import softmax
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import clip_boxes_to_image

Lists = tuple[list[Tensor], list[Tensor], list[Tensor]]


class VotingRoIHeads(RoIHeads):
    """torchvision's RoI heads, whose suppression does not waste the boxes that it drops.

    A digit is found through some ten proposals, and each makes a box of its own. Suppression keeps
    the surest; here it takes the mean of the others that overlap it, weighed by how sure they are
    of the same digit (box voting: Gidaris and Komodakis 2015, arXiv 1505.01749).
    """

    voting: float | None = None
    """IoU with the surest box above which another has a say; None: it alone counts."""

    def postprocess_detections(
        self,
        class_logits: Tensor,
        box_regression: Tensor,
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
    ) -> Lists:
        """Logits `(R, C)` and deltas `(R, 4 C)` of all proposals to boxes `(K, 4)`, scores and
        labels `(K,)` per photo."""
        found: Lists = super().postprocess_detections(
            class_logits, box_regression, proposals, image_shapes
        )
        if self.voting is None:
            return found
        counts = [len(boxes) for boxes in proposals]
        candidates = self.box_coder.decode(box_regression, proposals).split(counts)
        chances = softmax(class_logits, -1).split(counts)
        boxes = [
            vote(kept, labels, clip_boxes_to_image(rivals, shape), sure, self.voting)
            for kept, labels, rivals, sure, shape in zip(
                found[0], found[2], candidates, chances, image_shapes, strict=True
            )
        ]
        return boxes, found[1], found[2]


def vote(kept: Tensor, labels: Tensor, candidates: Tensor, chances: Tensor, iou: float) -> Tensor:
    """The boxes that suppression kept, each moved to the mean of the candidates around it.

    Args:
        kept: `(K, 4)` xyxy.
        labels: their classes, `(K,)`.
        candidates: boxes of every proposal for every class, `(P, C, 4)`.
        chances: their probabilities, `(P, C)`.
        iou: what a candidate must overlap by to have a say.

    Returns:
        `(K, 4)`.
    """
    rivals = candidates[:, labels]  # (P, K, 4)
    low, high = rivals[..., :2].maximum(kept[:, :2]), rivals[..., 2:].minimum(kept[:, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(-1) for boxes in (rivals, kept)]
    near = shared > iou * (areas[0] + areas[1] - shared)
    say = (chances[:, labels] * near)[..., None]
    total = say.sum(0)
    mean = (say * rivals).sum(0) / total.clamp(min=1e-12)
    return mean.where(total > 1e-12, kept)
