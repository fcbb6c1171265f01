"""Write checkpoints atomically, and only if they are finite and fit on the disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from digits import outputs, torch_files
from digits.errors import DigitsError

_MARGIN = 1 << 20  # bytes: names, shapes and settings


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's way of writing checkpoints, with the checks that keep the last good one."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write beside, and rename.

        Raises:
            DigitsError: weights that are not finite; no space on the disk; a folder that cannot be
                written. What lay at the path stays.
        """
        path = Path(path)
        where = f"{path}: not written, at the end of epoch {checkpoint['epoch'] + 1}"
        for name, weights in checkpoint["state_dict"].items():
            if weights.is_floating_point() and not weights.isfinite().all():
                raise DigitsError(
                    f"{where}: the weights {name} are not finite. The file before it is kept; "
                    "lower optimizer.lr or set trainer.gradient_clip_val=1."
                )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            needed, free = _size(checkpoint) + _MARGIN, shutil.disk_usage(path.parent).free
            if free < needed:
                resumed = (path.parent / outputs.LAST).is_file()
                then = "go on with resume=RUN" if resumed else "begin again"
                raise DigitsError(
                    f"{where}: it needs {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free. "
                    f"The files before it are whole; free some space and {then}."
                )
            torch_files.save(checkpoint, path)
        except OSError as error:
            raise DigitsError(f"{where}: {error.strerror or error}.") from error


def _size(checkpoint: dict[str, Any]) -> int:
    """Bytes of all tensors, each storage once."""
    storages = [tensor.untyped_storage() for _, tensor in tensors(checkpoint)]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def tensors(value: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """All tensors in plain data, with their dotted names."""
    if isinstance(value, torch.Tensor):
        yield name.lstrip("."), value
    elif isinstance(value, dict | list | tuple):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from tensors(item, f"{name}.{key}")
