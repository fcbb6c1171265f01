"""Read numbers from Python: `digits.load()`."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from digits import checkpoint, outputs
from digits.data.inputs import Photo, open_all
from digits.data.photos import to_tensor
from digits.ensemble.assembled import assemble
from digits.ensemble.fusion import Fusion
from digits.ensemble.members import find_files
from digits.ensemble.options import stored_fit
from digits.inference.batches import detect_photos
from digits.inference.detect import choose_device
from digits.inference.options import InferenceOptions
from digits.inference.workers import Workers
from digits.own_code import import_trusted
from digits.reading import CalibratedReader, Reader
from digits.reading.result import PhotoReader
from digits.recognition.checkpoint import open_recognizers
from digits.recognition.recognizer import Recognizer
from digits.records import scaled_to
from digits.types import Detections, Record


class NumberReader(PhotoReader):
    """Reads numbers in photos.

    Args:
        models: the detectors, in evaluation mode.
        reader: their detections to a number.
        device: where the detectors run.
        recognizers: read the rows of what each detector finds.
        fusion: of the detections of several.
        batch_size: photos at once, of a list.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        reader: Reader,
        device: torch.device,
        recognizers: Sequence[Recognizer] = (),
        fusion: Fusion | None = None,
        batch_size: int = 32,
    ) -> None:
        self.models = [model.to(device) for model in models]
        self.reader = reader
        self.device = device
        self.recognizers = recognizers
        self.fusion = fusion
        self.batch_size = batch_size

    @classmethod
    def load(
        cls, ckpt: str | Path = "small", device: str = "auto", trust: Sequence[str] = ()
    ) -> "NumberReader":
        """From a checkpoint, or several: see `digits.load`."""
        paths, fusion = find_files(str(ckpt), outputs.BEST, "ckpt"), None
        where, modules = choose_device(device), import_trusted(trust)
        if len(paths) > 1:
            models, fusion, state = assemble(paths, stored_fit(str(ckpt), "auto"), modules)
            reader: Reader = CalibratedReader(state=state)
        else:
            loaded = checkpoint.load(paths[0])
            reader, models = loaded.rebuild_reader(), [loaded.rebuild(trust=modules)]
        return cls(models, reader, where, open_recognizers("auto", [reader.state], where), fusion)

    def detect(self, photos: Sequence[Photo]) -> list[Detections]:
        """All boxes found in some photos, in their pixels, before any is read."""
        opened = open_all(photos)
        prepared = [(to_tensor(image), size) for image, size in opened]
        pixels = [tensor for tensor, _ in prepared]
        options = InferenceOptions(self.device, self.batch_size, recognizers=self.recognizers)
        with Workers(self.device) as workers:
            members = [
                [
                    scaled_to(found, tensor.shape[1:], size)
                    for found, (tensor, size) in zip(
                        detect_photos(model, pixels, options, workers), prepared, strict=True
                    )
                ]
                for model in self.models
            ]
        if self.fusion is None:
            return members[0]
        return [
            self.fusion([_to_record(found, index, size) for found in of_members])
            for index, (*of_members, (_, size)) in enumerate(zip(*members, prepared, strict=True))
        ]


def _to_record(detections: Detections, index: int, size: tuple[int, int]) -> Record:
    height, width = size
    named: Record = {
        **detections, "image_id": index, "file_name": "", "height": height, "width": width
    }  # fmt: skip
    return named
