"""Finds the digits in photographs and reads them as one number.

    import digits
    reader = digits.load()
    print(reader.read("photo.jpg").number)

Importing this loads no torch: that waits until `load`.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from digits.reader import NumberReader
    from digits.reading.result import Digit, PhotoReader, Result

__version__ = "0.2.0"
__all__ = ["Digit", "NumberReader", "Result", "__version__", "load"]

# OpenMP's waiting threads sleep instead of spinning; it reads this when torch loads it. Where
# loading processes share the cores with torch's threads, every parallel region waits for a thread
# that is not running while the others burn its time: on two cores a training step took 268 ms per
# photo spinning and 64 ms sleeping (docs/decisions.md).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def load(
    ckpt: str | Path = "small", device: str = "auto", trust: "Sequence[str]" = ()
) -> "PhotoReader":
    """Load a model that reads numbers in photos.

    Args:
        ckpt: `small`, `large` or `scratch` (the models that ship, docs/model.md), `ensemble` (all
            three, fused), the path of a checkpoint of train.py or of its run, or of a folder of
            checkpoints with the fusion.json that predict.py fitted to them. A file of `python -m
            digits.export` (.onnx, .xml) is read without torch, on the CPU.
        device: `auto` (the first GPU where there is one), `cpu`, `cuda`, `cuda:1`, `mps`.
        trust: your own modules, whose functions the checkpoint may name as its backbone.

    Raises:
        digits.errors.DigitsError: no such checkpoint or device, or a file that is not one of ours.
    """
    if not isinstance(ckpt, str | Path):
        from digits.errors import DigitsError

        raise DigitsError(
            f"digits.load({ckpt!r:.60}): expected small, large, scratch, ensemble or the path of a "
            f"checkpoint, got {type(ckpt).__name__}."
        )
    if Path(ckpt).suffix.lower() in (".onnx", ".xml"):
        from digits.export.reader import ExportedReader

        return ExportedReader.load(Path(ckpt), device)
    from digits.reader import NumberReader

    return NumberReader.load(ckpt, device, trust)


def __getattr__(name: str) -> object:
    if name in ("Digit", "Result"):
        from digits.reading import result

        return getattr(result, name)
    if name == "NumberReader":
        from digits.reader import NumberReader

        return NumberReader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
