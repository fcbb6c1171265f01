"""How several members' detections of a photo become one set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from digits.ensemble.boxes import METHODS, Boxes, run, sane, surer, votes
from digits.errors import DigitsError
from digits.geometry import by_score

_MOST = 100  # boxes per photo: mAP looks at no more


@dataclass(frozen=True)
class Photo:
    """What fusing needs of a photo, cheap to hand to another process."""

    size: np.ndarray  # width, height, width, height
    members: list[Boxes]


@dataclass(frozen=True)
class Fusion:
    """How members' detections of a photo are fused, class by class.

    Args:
        weights: one per member; a member of weight 0 takes no part.
        method: `wbf` (weighted boxes fusion, Solovyev et al. 2019, arXiv 1910.13302), `nmw`
            (non-maximum weighted), `soft_nms`, `nms`.
        iou: boxes of one class that overlap more are one.
        score_floor: boxes less sure take no part, save a photo's best; low ones hardly count.

    Raises:
        DigitsError: names the argument, what was expected and got.
    """

    weights: tuple[float, ...]
    method: str = "wbf"
    iou: float = 0.6
    score_floor: float = 0.05

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise DigitsError(f"fusion.method={self.method}: expected {', '.join(METHODS)}.")
        if not all(np.isfinite(w) and w >= 0 for w in self.weights) or not any(self.weights):
            raise DigitsError(
                f"fusion.weights={list(self.weights)}: expected numbers of at least 0, not all 0."
            )
        for name in ("iou", "score_floor"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise DigitsError(f"fusion.{name}={value}: expected a number in [0, 1).")

    def __call__(self, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Fuse one photo's detections, one record per member.

        Returns:
            The first member's record with the fused `boxes`, `scores` and `labels`, the surest
            first, and `votes` float32 `(N,)`: how many members would read that digit there.

        Raises:
            DigitsError: as many records as weights are expected; arrays of unequal lengths.
        """
        return to_record(records[0] if records else {}, self.fuse(to_photo(records)))

    def fuse(self, photo: Photo) -> tuple[np.ndarray, ...]:
        """The same on plain arrays: boxes in pixels, scores, labels, votes."""
        if len(photo.members) != len(self.weights):
            raise DigitsError(
                f"fusion.weights={list(self.weights)}: {len(self.weights)} numbers for "
                f"{len(photo.members)} members; give one per member, in their order, or auto."
            )
        weights = np.array(self.weights)
        used = np.flatnonzero(weights)  # the library divides by the weights
        members = [sane(photo.members[i], photo.size) for i in used]
        best = max(float(scores.max(initial=-1)) for _, scores, _ in members)
        if best < 0:
            nothing = np.zeros(0, dtype=np.float32)
            return np.zeros((0, 4), dtype=np.float32), nothing, nothing.astype(np.int64), nothing
        floor = min(self.score_floor, best)  # a photo keeps its best box, however unsure
        members = [surer(member, floor) for member in members]
        boxes, scores, labels = run(self.method, members, weights[used], self.iou)
        boxes, scores = np.asarray(boxes, np.float64), np.asarray(scores, np.float64)
        labels = np.asarray(labels).astype(np.int64)  # the library returns them as floats
        boxes, scores = boxes.clip(0, 1), scores.clip(0, 1)  # float32 sums overshoot a little
        order = by_score(boxes, scores, labels)[:_MOST]
        boxes, scores, labels = boxes[order], scores[order], labels[order]
        agreeing = sum(votes(boxes, labels, member) for member in members)
        pixels = (boxes * photo.size).astype(np.float32)
        return pixels, scores.astype(np.float32), labels, np.asarray(agreeing, np.float32)


def to_photo(records: Sequence[dict[str, Any]]) -> Photo:
    """One photo's records, one per member, as plain arrays."""
    if not records:
        raise DigitsError("Nothing to fuse: expected at least one member.")
    height, width = int(records[0]["height"]), int(records[0]["width"])
    size = np.array([width, height, width, height], dtype=np.float64)
    members = []
    for record in records:
        boxes, scores, labels = (record[k].cpu().numpy() for k in ("boxes", "scores", "labels"))
        # On unequal lengths the library ends the whole program, as if nothing were wrong.
        if not len(boxes) == len(scores) == len(labels):
            raise DigitsError(
                f"image_id {record['image_id']}: expected as many boxes as scores and labels, got "
                f"{len(boxes)}, {len(scores)} and {len(labels)}."
            )
        members.append((boxes, scores, labels))
    return Photo(size, members)


def to_record(record: dict[str, Any], fused: tuple[np.ndarray, ...]) -> dict[str, Any]:
    """A photo's record with the boxes that were fused."""
    names = ("boxes", "scores", "labels", "votes")
    return record | {n: torch.from_numpy(v) for n, v in zip(names, fused, strict=True)}
