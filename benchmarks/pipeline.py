"""Does loading keep up? Decoding, augmentation and collation against the CPU default's training."""

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import mean

import torch
from torch.utils.data import DataLoader

from benchmarks.figures import Figure, in_turn, ratios
from benchmarks.network import TimedNetwork
from benchmarks.settings import build, train_config
from digits.data.coco import CocoDigits
from digits.data.datamodule import DigitsDataModule
from digits.data.loading import Item

_STEPS = 8  # training steps per round


def pipeline(
    root: Path, rounds: int, workers: int | None = None, count: int = 640
) -> Iterator[Figure]:
    """Photos per second of the training loader, in this process and in loading processes, and of
    the CPU default's training on the same photos, already loaded.

    Args:
        root: a data set in the course's layout.
        rounds: that count.
        workers: loading processes; as many as train.py takes by default.
        count: photos of train that are read.
    """
    folder, annotations = root / "train", root / "train.json"
    data = CocoDigits(folder, annotations)
    data = CocoDigits(folder, annotations, data.image_ids[:count])

    def loader(processes: int | None) -> DataLoader[Item]:
        augmentation = build(train_config()["augmentation"])
        module = DigitsDataModule(lambda _: data, augmentation, num_workers=processes)
        module.setup("fit")
        return module.train_dataloader()

    here, beside = loader(0), loader(workers)
    batches = [list(zip(*batch, strict=True)) for batch in islice(here, _STEPS)]
    network = TimedNetwork(build(train_config()["model"]), torch.device("cpu"))
    step = network.training(batches)
    found = in_turn(
        {
            "here": lambda _: _rate(here),
            "beside": lambda _: _rate(beside),
            "training": lambda _: 1000 / mean(step(k) for k in range(len(batches))),
        },
        rounds,
    )
    names = {
        "here": "loading in the main process",
        "beside": f"loading, {beside.num_workers} processes",
        "training": "CPU default's training, no loading",
    }
    for key, name in names.items():
        yield Figure.of("pipeline", name, found[key], "photos/s")
    faster = ratios(found["beside"], found["training"])
    yield Figure.of("pipeline", "loading in processes / training: ratio", faster, "times")


def _rate(loader: DataLoader[Item]) -> float:
    """Photos per second, once the loading processes have started and filled their queues."""
    batches = iter(loader)
    filled = min(2 * loader.num_workers + 1, len(loader) - 1)
    for _ in range(filled):
        next(batches)
    start = time.perf_counter()
    photos = sum(len(batch[0]) for batch in batches)
    return photos / (time.perf_counter() - start)
