"""Photos from files to numbers, as predict.py reads them with a model that ships."""

import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.figures import Figure
from digits import checkpoint, resources
from digits.data.folder import PhotoFolder
from digits.data.synthetic import SyntheticDigits
from digits.inference.detect import detect
from digits.inference.options import InferenceOptions
from digits.inference.source import Item, Readers
from digits.recognition.checkpoint import load_recognizer


def reading(
    name: str, device: torch.device, count: int, bf16: bool, folder: Path, batch_size: int = 128
) -> Figure:
    """Photos per second, the start of processes included.

    Args:
        name: of the model that ships.
        device: where.
        count: photos, of which 128 are different.
        bf16: under bfloat16 autocast.
        folder: where their files are written.
        batch_size: photos at once.
    """
    drawn = SyntheticDigits(min(count, 128))
    for index in range(len(drawn)):
        Image.fromarray(drawn[index][0].permute(1, 2, 0).numpy()).save(folder / f"{index}.png")
    data = PhotoFolder(str(folder))
    data.paths, data.image_ids = np.resize(data.paths, count), np.arange(count)
    loaded = checkpoint.load(resources.CHECKPOINTS / name / "best.ckpt")
    reader = loaded.rebuild_reader()
    readers = Readers(reader, reader, refine=True)
    options = InferenceOptions(
        device,
        batch_size,
        recognizers=[load_recognizer(resources.RECOGNIZER, device)],
        precision="bf16-mixed" if bf16 else "32-true",
    )
    start = time.perf_counter()
    for record, _, _, read in detect(loaded.rebuild(), data, options, readers=readers):
        readers.read(Item(record, record, read=read))
    rate = count / (time.perf_counter() - start)
    what = f"files to numbers, ckpt={name}, {count} photos, batch of {batch_size}"
    return Figure.of("gpu", what, [rate], "photos/s")
