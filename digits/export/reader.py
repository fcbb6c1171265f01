"""Read numbers with an exported file, without torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from digits import builders
from digits.data.inputs import Photo, open_all
from digits.errors import DigitsError
from digits.export.about import About, from_texts
from digits.export.session import Run, open_onnx, open_session
from digits.passes.found import Found
from digits.reading.result import PhotoReader
from digits.recognition.asking import read_rows
from digits.records import scaled_to
from digits.types import Detections


class ExportedReader(PhotoReader):
    """Reads numbers in photos with a file that `python -m digits.export` wrote.

    The numbers, confidences and boxes are those of its checkpoint: the second pass over small
    digits, the recogniser and the calibrated reader are part of it.

    Args:
        detector: the file's network.
        about: what the file says of itself.
        recognizer: the recogniser in the file; None: there is none.
        batch_size: photos of one size at once, of a list.
    """

    def __init__(
        self, detector: Run, about: About, recognizer: Run | None = None, batch_size: int = 32
    ) -> None:
        self.detector, self.recognizer, self.about = detector, recognizer, about
        self.batch_size = batch_size
        self.reader = builders.build_reader(about.reading).load_state(about.reader)

    @classmethod
    def load(cls, path: Path, device: str = "auto", threads: int = 0) -> "ExportedReader":
        """From a file: by onnxruntime, or of `.xml` by OpenVINO.

        Args:
            path: of the file.
            device: `auto` or `cpu`.
            threads: that it runs on; 0: as many as there are cores.

        Raises:
            DigitsError: a file of another origin, another device, or the library is not installed.
        """
        if device not in ("auto", "cpu"):
            raise DigitsError(
                f"device={device}: {path} is read on the CPU; say device=auto, or take the "
                "checkpoint that it was made of."
            )
        detector, texts = open_session(path, threads)
        about, content = from_texts(texts, str(path))
        recognizer = None if content is None else open_onnx(content, threads)[0]
        return cls(detector, about, recognizer)

    def detect(self, photos: Sequence[Photo]) -> list[Detections]:
        """All boxes found in some photos, in their pixels, before any is read; arrays of numpy."""
        opened = open_all(photos)
        pixels = [np.asarray(image) for image, _ in opened]
        upright = [array.transpose(2, 0, 1) for array in pixels]
        if not pixels:
            return []
        found = self._detect(upright)
        if self.about.zoom is not None:
            self.about.zoom.improve(upright, found, self._detect, self.about.min_size)
        detections = cast(list[Detections], list(found.detections()))
        if self.recognizer is not None and self.about.crops is not None:
            read = read_rows(pixels, detections, self.about.crops, self._frames)
            for here, rows in zip(detections, read, strict=True):
                here["rows"] = rows
        return [
            scaled_to(here, array.shape[:2], size)
            for here, array, (_, size) in zip(detections, pixels, opened, strict=True)
        ]

    def _detect(self, photos: Sequence[np.ndarray], enlargement: float | np.ndarray = 1.0) -> Found:
        """One pass over photos `(3, H, W)`, those of one size together, at the usual input size
        times a factor of each or of all."""
        factors = np.broadcast_to(np.float32(enlargement), len(photos))
        sizes: dict[tuple[object, ...], list[int]] = {}
        for index, (photo, factor) in enumerate(zip(photos, factors.tolist(), strict=True)):
            sizes.setdefault((photo.shape, factor), []).append(index)
        parts = [
            same[start : start + self.batch_size]
            for same in sizes.values()
            for start in range(0, len(same), self.batch_size)
        ]
        found = [
            self.detector(
                {
                    "photos": np.stack([photos[i] for i in part]),
                    "enlargement": np.array(factors[part[0]]),
                }
            )
            for part in parts
        ]
        back = np.argsort(np.concatenate(parts))
        boxes, scores, labels = (np.concatenate(some)[back] for some in zip(*found, strict=True))
        return Found(boxes, np.where(scores > 0, scores, np.float32(-1)), labels)

    def _frames(self, crops: np.ndarray) -> np.ndarray:
        assert self.recognizer is not None
        (frames,) = self.recognizer({"crops": np.ascontiguousarray(crops)})
        return frames
