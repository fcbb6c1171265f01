"""A trained recogniser reads the rows of photos: the second opinion beside the detector's."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from digits.recognition.crops import CropOptions, Row, crop_row, to_batches
from digits.recognition.ctc import best_texts, log_probabilities
from digits.recognition.rows import LONGEST, Hypothesis, hypotheses
from digits.types import Detections, RowTexts, number_of

_LEAST = -12.0  # (nats) that a string counts at least in a row, so that none is ruled out
_BEST = 3  # strings of each crop that are considered
_BEAM = 4  # prefixes that the search for them keeps
# (length, height) added to a row, in digit heights: as it is, and with what lies beside it, so that
# a digit that the detector missed is seen, and one that it invented is not.
_WIDENED = ((0.0, 0.0), (0.8, 0.1))


class Recognizer:
    """Reads the rows that may be the number of a photo.

    Args:
        network: crops to logits (`digits.recognition.network`), in evaluation mode.
        options: how rows are cut out, as in training.
        device: where the network runs.
        digest: tells its weights from others.
    """

    def __init__(
        self,
        network: nn.Module,
        options: CropOptions,
        device: torch.device | None = None,
        digest: str = "",
    ) -> None:
        self.digest = digest
        self.device = device or torch.device("cpu")
        self.network = network.to(self.device).eval()
        self.options = options

    @torch.inference_mode()
    def read(
        self, photos: Sequence[Tensor], detections: Sequence[Detections]
    ) -> list[list[RowTexts]]:
        """Read several photos at once; what is read in one does not depend on the others.

        Args:
            photos: uint8 `(3, h, w)` each.
            detections: of each, boxes in its pixels.

        Returns:
            Per photo its rows, the most plausible first; none where there are no boxes.
        """
        rows = [hypotheses(found) for found in detections]
        crops = [
            crop_row(photo.permute(1, 2, 0).numpy(), row, self.options)
            for photo, here in zip(photos, rows, strict=True)
            for hypothesis in here
            for row in widened(hypothesis.row)
        ]
        frames = iter(self._frames(crops))
        return [
            _texts(found, here, [[next(frames) for _ in _WIDENED] for _ in here])
            for found, here in zip(detections, rows, strict=True)
        ]

    def _frames(self, crops: Sequence[np.ndarray]) -> list[Tensor]:
        """Log-probabilities `(T, 11)` of each crop, in order, on the CPU."""
        frames: dict[int, Tensor] = {}
        for chosen, batch in to_batches(crops):
            logits = self.network(batch.to(self.device, non_blocking=True))
            frames.update(zip(chosen, logits.float().log_softmax(-1).cpu(), strict=True))
        return [frames[i] for i in range(len(crops))]


def widened(row: Row) -> list[Row]:
    """The row as it is, and with what lies beside it."""
    return [
        replace(row, length=row.length + length * row.digit, height=row.height + height * row.digit)
        for length, height in _WIDENED
    ]


def _texts(
    detections: Detections, rows: Sequence[Hypothesis], frames: Sequence[Sequence[Tensor]]
) -> list[RowTexts]:
    """What each row says of every string that the detector or any row proposes.

    Args:
        detections: of a photo.
        rows: of the photo.
        frames: of each row, of each of its widths.
    """
    if not rows:
        return []
    labels, boxes = detections["labels"].cpu(), detections["boxes"].cpu()
    proposed = [number_of(labels[torch.from_numpy(row.indices)]) for row in rows]
    for of_row in frames:
        for one in of_row:
            proposed += [text for text, _ in best_texts(one, width=_BEAM, count=_BEST)]
    strings = [text for text in dict.fromkeys(proposed) if 0 < len(text) <= LONGEST]
    total = np.logaddexp.reduce([row.weight for row in rows])
    read: list[RowTexts] = []
    for row, of_row in zip(rows, frames, strict=True):
        values = [log_probabilities(one, strings).clamp(min=_LEAST) for one in of_row]
        mean = torch.stack(values).mean(0).tolist()
        read.append(
            {
                "boxes": boxes[torch.from_numpy(row.indices)].tolist(),
                "weight": float(row.weight - total),
                "texts": dict(zip(strings, mean, strict=True)),
            }
        )
    return read
