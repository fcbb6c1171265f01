"""Detections of many photos as padded arrays."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Found(NamedTuple):
    """Detections in pixels of `B` photos, highest score first, padded to `K` each."""

    boxes: np.ndarray
    """float32 `(B, K, 4)` xyxy."""
    scores: np.ndarray
    """float32 `(B, K)`; -1 where there is none."""
    labels: np.ndarray
    """int64 `(B, K)`."""

    def of(self, photos: np.ndarray) -> "Found":
        """Those of some photos: indices `(P,)`, or bool `(B,)`."""
        return Found(*(values[photos] for values in self))

    def replace(self, photos: np.ndarray, others: "Found") -> None:
        """Put those of P others in the place of some photos' own; `photos` as in `of`."""
        for mine, theirs in zip(self, others, strict=True):
            mine[photos] = theirs

    def detections(self) -> list[dict[str, np.ndarray]]:
        """Boxes, scores and labels photo by photo, without the padding."""
        counts = (self.scores >= 0).sum(1).tolist()
        named = self._asdict().items()
        return [
            {name: values[photo, :count] for name, values in named}
            for photo, count in enumerate(counts)
        ]


def found_in(
    rows: Sequence[np.ndarray], order: Sequence[int], scales: np.ndarray, limit: int
) -> Found:
    """The results of several batches in the order of the photos.

    Args:
        rows: of each batch, `(B, K, 6)`: box, score, label.
        order: the photo that each row is of.
        scales: of each row, pixels of the photo per pixel of the batch, down and across.
        limit: the `K` of the result, no less than that of any batch.
    """
    padded = np.full((len(order), limit, 6), -1, dtype=np.float32)
    start = 0
    for batch in rows:
        padded[start : start + len(batch), : batch.shape[1]] = batch
        start += len(batch)
    back = np.argsort(order)
    padded[..., :4] *= scales[:, None, [1, 0, 1, 0]]
    boxes, scores, labels = np.split(padded[back], [4, 5], axis=-1)
    return Found(boxes.copy(), scores[..., 0].copy(), labels[..., 0].astype(np.int64))
