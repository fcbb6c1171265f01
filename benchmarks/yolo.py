"""Ultralytics' YOLO11n, the network that most would train instead; the extra `yolo` brings it."""

# mypy: allow-subclassing-any

import importlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from benchmarks.figures import Figure, in_turn, ratios
from benchmarks.network import Photo, TimedNetwork
from benchmarks.settings import build, train_config
from digits.errors import DigitsError
from digits.types import CLASS_NAMES

_SIDE = 192  # (pixels) of the long side, that of our CPU default at its widest
_STEP = 32  # (pixels) sides of a batch are multiples of it
_GREY = 114  # of its padding


class Yolo11n(nn.Module):
    """YOLO11n without weights, from photos of any sizes to losses or boxes in their pixels.

    Photos are resized one by one and padded to the smallest rectangle that holds all of a batch,
    and boxes below 0.25 are dropped before suppression: its own way to predict.

    Raises:
        DigitsError: ultralytics is not installed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network = _module("ultralytics.nn.tasks").DetectionModel(
            "yolo11n.yaml", nc=len(CLASS_NAMES), verbose=False
        )
        self.network.args = _module("ultralytics.cfg").get_cfg()  # gains of its losses
        self.suppress = _module("ultralytics.utils.nms").non_max_suppression

    def forward(self, photos: Sequence[Tensor], targets: Sequence[Any] | None = None) -> Any:
        """Losses by name where there are targets, else boxes, scores and classes `(N, 6)` each."""
        scales = [_SIDE / max(photo.shape[-2:]) for photo in photos]
        batch = _letterboxed(photos, scales)
        if targets is None:
            found = self.suppress(self.network(batch)[0], conf_thres=0.25, iou_thres=0.7)
            ends = [torch.tensor([scale] * 4 + [1.0, 1.0]) for scale in scales]
            return [row / end.to(row) for row, end in zip(found, ends, strict=True)]
        sides = torch.tensor(batch.shape[:1:-1] * 2, device=batch.device)  # width, height, twice
        boxes = [t["boxes"] * scale for t, scale in zip(targets, scales, strict=True)]
        low, high = (torch.cat(boxes) / sides).split_with_sizes([2, 2], 1)
        counts = torch.tensor([len(box) for box in boxes])
        loss, _ = self.network.loss(
            {
                "img": batch,
                "batch_idx": torch.arange(len(boxes)).repeat_interleave(counts).to(batch.device),
                "cls": torch.cat([t["labels"] for t in targets])[:, None].float() - 1,
                "bboxes": torch.cat([(low + high) / 2, high - low], 1),
            }
        )
        return {"loss": loss.sum()}


def yolo(
    photos: Sequence[Photo], rounds: int, device: torch.device, bf16: bool = False
) -> Iterator[Figure]:
    """Milliseconds per photo of YOLO11n and of our CPU default, both untrained and in one pass, one
    photo at a time and in batches of 32, and how many times as long YOLO11n takes.

    Args:
        photos: uint8 `(3, H, W)` and target.
        rounds: that count.
        device: where both run.
        bf16: both under bfloat16 autocast.

    Raises:
        DigitsError: ultralytics is not installed.
    """
    networks = {
        "YOLO11n": TimedNetwork(Yolo11n(), device, bf16),
        "small_fpn": TimedNetwork(build(train_config("model.zoom=null")["model"]), device, bf16),
    }
    for count in (1, 32):
        batches = [
            [photos[(number * count + k) % len(photos)] for k in range(count)]
            for number in range(rounds + 1)
        ]
        # Training goes first: it fills the batch statistics that inference runs on.
        works = {
            (name, mode): getattr(network, mode)(batches)
            for mode in ("training", "inference")
            for name, network in networks.items()
        }
        found = in_turn({" ".join(key): work for key, work in works.items()}, rounds)
        for mode in ("inference", "training"):
            theirs, ours = (found[f"{name} {mode}"] for name in networks)
            title = f"{mode}, batch of {count}"
            yield Figure.of("yolo", f"YOLO11n {title}", theirs, "ms/photo")
            yield Figure.of("yolo", f"small_fpn {title}", ours, "ms/photo")
            yield Figure.of("yolo", f"{title}: ratio", ratios(theirs, ours), "times")


def _letterboxed(photos: Sequence[Tensor], scales: Sequence[float]) -> Tensor:
    """One batch, float32 `(B, 3, H, W)` in 0..1."""
    resized = [
        interpolate(photo[None], scale_factor=scale, mode="bilinear")[0]
        for photo, scale in zip(photos, scales, strict=True)
    ]
    height, width = (
        -(-max(photo.shape[axis] for photo in resized) // _STEP) * _STEP for axis in (1, 2)
    )
    batch = resized[0].new_full((len(resized), 3, height, width), _GREY)
    for row, photo in zip(batch, resized, strict=True):
        row[:, : photo.shape[1], : photo.shape[2]] = photo
    return batch / 255


def _module(name: str) -> Any:
    # It would look for updates, install packages and write settings into the home folder.
    os.environ |= {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
    os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.gettempdir())
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DigitsError(f"{name}: {error}; pip install -e '.[yolo]' brings it.") from error
