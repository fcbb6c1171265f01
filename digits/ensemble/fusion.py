"""Fuse several members' detections of a photo."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from digits.ensemble.boxes import Boxes, above, normalized, votes, weighted_boxes_fusion
from digits.errors import DigitsError
from digits.geometry import by_score
from digits.records import weighed
from digits.types import SCORED_BOXES, Record


class Photo(NamedTuple):
    """What fusing needs of a photo, cheap to hand to another process."""

    size: np.ndarray
    """Width, height, width, height, in pixels."""
    members: list[Boxes]


class FusedBoxes(NamedTuple):
    """A photo's fused detections, highest score first."""

    boxes: np.ndarray
    """float32 `(N, 4)`, pixels."""
    scores: np.ndarray
    """float32 `(N,)`."""
    labels: np.ndarray
    """int64 `(N,)`."""
    votes: np.ndarray
    """float32 `(N,)`: how many members see that digit there."""


@dataclass(frozen=True)
class Fusion:
    """Weighted boxes fusion of members' detections, class by class.

    Solovyev et al. 2019, arXiv 1910.13302.

    Args:
        weights: one per member; a member of weight 0 takes no part.
        iou: boxes of one class that overlap more are one.
        score_floor: boxes of lower score take no part, save a photo's best.

    Raises:
        DigitsError: names the argument, what was expected and got.
    """

    weights: tuple[float, ...]
    iou: float = 0.6
    score_floor: float = 0.05

    def __post_init__(self) -> None:
        if not all(np.isfinite(w) and w >= 0 for w in self.weights) or not any(self.weights):
            raise DigitsError(
                f"fusion.weights={list(self.weights)}: expected numbers of at least 0, not all 0."
            )
        for name in ("iou", "score_floor"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise DigitsError(f"fusion.{name}={value}: expected a number in [0, 1).")

    def __call__(self, records: Sequence[Record]) -> Record:
        """Fuse one photo's detections, one record per member.

        Returns:
            The first member's record with the fused detections and their votes.

        Raises:
            DigitsError: as many records as weights are expected; arrays of unequal lengths.
        """
        photo = to_photo(records)
        return to_record(records, self.fuse(photo))

    def fuse(self, photo: Photo) -> FusedBoxes:
        """The same on plain arrays.

        Raises:
            DigitsError: not one weight per member.
        """
        if len(photo.members) != len(self.weights):
            raise DigitsError(
                f"fusion.weights={list(self.weights)}: {len(self.weights)} numbers for "
                f"{len(photo.members)} members; give one per member, in their order, or auto."
            )
        weights = np.array(self.weights)
        used = np.flatnonzero(weights)  # the library divides by the weights
        members = [normalized(photo.members[i], photo.size) for i in used]
        best = max(float(scores.max(initial=-1)) for _, scores, _ in members)
        if best < 0:
            nothing = np.zeros(0, dtype=np.float32)
            labels = np.zeros(0, dtype=np.int64)
            return FusedBoxes(np.zeros((0, 4), dtype=np.float32), nothing, labels, nothing)
        floor = min(self.score_floor, best)  # a photo keeps its best box, however unsure
        members = [above(member, floor) for member in members]
        boxes, scores, labels = weighted_boxes_fusion(members, weights[used], self.iou)
        order = by_score(boxes, scores, labels)[:SCORED_BOXES]
        boxes, scores, labels = boxes[order], scores[order], labels[order]
        agreeing = sum(votes(boxes, labels, member) for member in members)
        return FusedBoxes(
            (boxes * photo.size).astype(np.float32),
            scores.astype(np.float32),
            labels,
            np.asarray(agreeing, np.float32),
        )


def to_photo(records: Sequence[Record]) -> Photo:
    """One photo's records, one per member, as plain arrays.

    Raises:
        DigitsError: no records, or arrays of unequal lengths.
    """
    if not records:
        raise DigitsError("Nothing to fuse: expected at least one member.")
    height, width = int(records[0]["height"]), int(records[0]["width"])
    size = np.array([width, height, width, height], dtype=np.float64)
    members = []
    for record in records:
        boxes, scores, labels = (record[key].cpu().numpy() for key in ("boxes", "scores", "labels"))
        # On unequal lengths the library ends the whole program, as if nothing were wrong.
        if not len(boxes) == len(scores) == len(labels):
            raise DigitsError(
                f"image_id {record['image_id']}: expected as many boxes as scores and labels, got "
                f"{len(boxes)}, {len(scores)} and {len(labels)}."
            )
        members.append((boxes, scores, labels))
    return Photo(size, members)


def to_record(records: Sequence[Record], fused: FusedBoxes) -> Record:
    """The first member's record with the boxes that were fused, and the rows of all members."""
    read = [record["rows"] for record in records if record.get("rows")]
    rows = [row for member in read for row in weighed(member, 1 / len(read))]
    record = records[0] | {"rows": rows} if rows else records[0]
    return record | {
        "boxes": torch.from_numpy(fused.boxes),
        "scores": torch.from_numpy(fused.scores),
        "labels": torch.from_numpy(fused.labels),
        "votes": torch.from_numpy(fused.votes),
    }
