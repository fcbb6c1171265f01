"""A detector and photos to detections, streamed."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from digits.data.loading import loader
from digits.errors import DigitsError

# What is sorted by shape at once: so many batches, or fewer where they hold more bytes.
_BATCHES = 4
_BYTES = 100_000_000

Batch = tuple[list[Tensor], list[dict[str, Any]]]


def choose_device(name: str = "auto") -> torch.device:
    """`auto` is the first GPU where there is one, else the CPU.

    Raises:
        DigitsError: no such device here.
    """
    if name != "auto":
        try:
            device = torch.device(name)
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise DigitsError(
                f"device={name}: {reason} Say device=auto, cpu, or a GPU that is here."
            ) from error
        return device
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return accelerator or torch.device("cpu")


@torch.inference_mode()
def predict(
    model: nn.Module,
    data: Any,
    device: torch.device,
    batch_size: int = 16,
    num_workers: int | None = None,
) -> Iterator[tuple[dict[str, Any], dict[str, Any], Tensor]]:
    """Detect the digits of every photo, in the order of the data set.

    Yields:
        Per photo: its detections with image_id, file_name, height and width; its target (empty
        where the data has no labels); and the photo, uint8 `(3, h, w)`, which may be smaller than
        height and width. Nothing is kept, so that memory does not grow with the number of photos.
    """
    model = model.to(device).eval()
    index = 0
    batches = loader(data, num_workers, batch_size=batch_size)
    for photos, targets in _gathered(batches, _BATCHES * batch_size):
        found = _detect(model, photos, device, batch_size)
        for photo, target, detections in zip(photos, targets, found, strict=True):
            height, width = target.get("size", photo.shape[1:])
            grown = torch.tensor([width / photo.shape[2], height / photo.shape[1]]).repeat(2)
            record = {
                "boxes": detections["boxes"].float().cpu() * grown,
                "scores": detections["scores"].float().cpu(),
                "labels": detections["labels"].cpu(),
                "image_id": target["image_id"],
                "file_name": data.file_name(index),
                "height": height,
                "width": width,
            }
            index += 1
            yield record, target, photo


def _gathered(batches: Iterable[Batch], most: int) -> Iterator[Batch]:
    """Several batches as one, of `most` photos, or of fewer and larger ones."""
    photos: list[Tensor] = []
    targets: list[dict[str, Any]] = []
    for more, theirs in batches:
        photos, targets = photos + more, targets + theirs
        if len(photos) >= most or sum(photo.nbytes for photo in photos) > _BYTES:
            yield photos, targets
            photos, targets = [], []
    if photos:
        yield photos, targets


def _detect(
    model: nn.Module, photos: list[Tensor], device: torch.device, batch_size: int
) -> list[dict[str, Tensor]]:
    """Detections in the order of the photos; those of like shape are detected together, since
    every photo of a batch is padded to the widest."""
    order = sorted(range(len(photos)), key=lambda i: photos[i].shape[2] / photos[i].shape[1])
    found: list[dict[str, Tensor]] = [{}] * len(photos)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        parts = model([photos[i].to(device, non_blocking=True) for i in chosen])
        for i, detections in zip(chosen, parts, strict=True):
            found[i] = detections
    return found
