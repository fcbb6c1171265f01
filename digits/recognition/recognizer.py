"""A trained recogniser reads the rows of photos: the second opinion beside the detector's."""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from digits.errors import DigitsError
from digits.recognition.asking import read_rows
from digits.recognition.crops import CropOptions
from digits.types import Detections, RowTexts


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

    def on(self, device: torch.device) -> "Recognizer":
        """On a device: a copy, unless it is there."""
        if device == self.device:
            return self
        return Recognizer(copy.deepcopy(self.network), self.options, device, self.digest)

    @torch.inference_mode()
    def read(
        self, photos: Sequence[Tensor], detections: Sequence[Detections]
    ) -> list[list[RowTexts]]:
        """Read several photos at once: `digits.recognition.asking.read_rows`.

        Args:
            photos: uint8 `(3, h, w)` each.
            detections: of each, boxes in its pixels.

        Raises:
            DigitsError: weights that give no numbers.
        """
        arrays = [photo.permute(1, 2, 0).numpy() for photo in photos]
        return read_rows(arrays, detections, self.options, self._frames)

    def _frames(self, crops: np.ndarray) -> np.ndarray:
        logits = self.network(torch.from_numpy(crops).to(self.device, non_blocking=True))
        frames: np.ndarray = logits.float().log_softmax(-1).cpu().numpy()
        if np.isnan(frames).any():
            raise DigitsError(
                "What the recogniser gives is not finite: its weights are damaged; take another, "
                "or recognizer=null."
            )
        return frames
