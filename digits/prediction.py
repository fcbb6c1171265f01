"""A detector and photos to detections, streamed."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from digits.data.loading import loader
from digits.errors import DigitsError


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
        where the data has no labels); and the photo, uint8 `(3, H, W)`. Nothing is kept, so that
        memory does not grow with the number of photos.
    """
    model = model.to(device).eval()
    index = 0
    for photos, targets in loader(data, num_workers, batch_size=batch_size):
        found = model([photo.to(device, non_blocking=True) for photo in photos])
        for photo, target, detections in zip(photos, targets, found, strict=True):
            record = {key: value.float().cpu() for key, value in detections.items()}
            record["labels"] = detections["labels"].cpu()
            record |= {
                "image_id": target["image_id"],
                "file_name": data.file_name(index),
                "height": photo.shape[1],
                "width": photo.shape[2],
            }
            index += 1
            yield record, target, photo
