"""A network with our settings against the same network with torchvision's."""

from collections.abc import Iterator, Sequence

import torch
from torch import nn
from torchvision.models import detection

from benchmarks.figures import Figure, in_turn, multiply_adds_per_second, ratios
from benchmarks.network import Photo, TimedNetwork
from benchmarks.settings import build, train_config
from digits.types import NUM_CLASSES

_EPOCH = 30_062  # photos in the course's train


def detector(
    backbone: str,
    photos: Sequence[Photo],
    rounds: int,
    batch_size: int = 16,
    device: torch.device | None = None,
    bf16: bool = False,
) -> Iterator[Figure]:
    """Milliseconds per photo of inference and of a training step, and how many times as long
    torchvision's defaults take.

    How near ours come to the machine is told by the multiply-adds per second of their
    convolutions and matrix products, as a share of the rate of one large product in that round.

    Each round takes the next photos: ours as a batch and the first of them alone, torchvision's
    defaults that one alone. A batch of 16 at 800 x 1333 pixels would take minutes and gigabytes.

    Args:
        backbone: of conf/backbone.
        photos: uint8 `(3, H, W)` and target.
        rounds: that count.
        batch_size: of ours.
        device: the CPU by default.
        bf16: our network under bfloat16 autocast; torchvision's defaults stay float32.
    """
    device = device or torch.device("cpu")
    batches = [
        [photos[(number * batch_size + k) % len(photos)] for k in range(batch_size)]
        for number in range(rounds + 1)
    ]
    single = [batch[:1] for batch in batches]
    floats = [[(photo / 255, target) for photo, target in batch] for batch in single]
    ours = TimedNetwork(build(train_config(f"backbone={backbone}")["model"]), device, bf16)
    theirs = TimedNetwork(_with_defaults(backbone), device)
    found = in_turn(
        {
            # Training goes first: it fills the batch statistics that inference runs on.
            "training batch": ours.training(batches),
            "training one": ours.training(single),
            "training theirs": theirs.training(floats),
            "inference batch": ours.inference(batches),
            "inference one": ours.inference(single),
            "inference theirs": theirs.inference(floats),
            "inference counted": ours.multiply_adds(batches, training=False),
            "training counted": ours.multiply_adds(batches, training=True),
            "machine": lambda _: multiply_adds_per_second(device, bf16),
        },
        rounds,
    )
    for mode in ("inference", "training"):
        theirs_ms, title = found[f"{mode} theirs"], f"{backbone} {mode}"
        yield Figure.of("detector", f"{title}, torchvision's defaults", theirs_ms, "ms/photo")
        for kind, count in (("one", 1), ("batch", batch_size)):
            ms, of = found[f"{mode} {kind}"], f"batch of {count}"
            yield Figure.of("detector", f"{title}, ours, {of}", ms, "ms/photo")
            yield Figure.of("detector", f"{title}, {of}: ratio", ratios(theirs_ms, ms), "times")
        shares = [
            100 * count / (ms / 1000) / rate
            for count, ms, rate in zip(
                found[f"{mode} counted"], found[f"{mode} batch"], found["machine"], strict=True
            )
        ]
        counts = [count / 1e9 for count in found[f"{mode} counted"]]
        yield Figure.of("detector", f"{title}, ours: multiply-adds", counts, "GMAC/photo")
        yield Figure.of("detector", f"{title}, of the machine's rate", shares, "%")
    rates = [rate / 1e9 for rate in found["machine"]]
    yield Figure.of("detector", f"{backbone}: a large matrix product here", rates, "GMAC/s")
    minutes = [ms * _EPOCH / 60_000 for ms in found["training batch"]]
    yield Figure.of("detector", f"{backbone} training, {_EPOCH:,} photos", minutes, "minutes")


def _with_defaults(backbone: str) -> nn.Module:
    """torchvision's own detector where it has one of that name, else our backbone under
    torchvision's settings."""
    make = getattr(detection, f"fasterrcnn_{backbone}", None)
    if make is None:
        config = train_config(f"backbone={backbone}", "model=torchvision")
        model: nn.Module = build(config["model"])
    else:
        model = make(weights=None, weights_backbone=None, num_classes=NUM_CLASSES)
    return model
