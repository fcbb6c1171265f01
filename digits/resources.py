"""Files that ship with the package: the configuration and the models."""

import os
from pathlib import Path

from digits import outputs

_PACKAGE = Path(__file__).parent
SHIPPED = ("small", "large", "scratch")  # docs/model.md says what each is
ENSEMBLE = "ensemble"  # all of them, fused as fusion.json says


def _folder(name: str) -> Path:
    """Beside the package in a checkout, in it where it is installed."""
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


CONF = _folder("conf")
CHECKPOINTS = _folder("checkpoints")
RECOGNIZER = CHECKPOINTS / "recognizer.ckpt"


def located(ckpt: str | Path) -> Path:
    """The path that a user's `ckpt` means: one that exists, or the name of what ships.

    Returns:
        The file of `small`, `large` or `scratch`, the folder of all for `ensemble`; else the path
        as given.
    """
    path, name = Path(ckpt), str(ckpt)
    if not os.path.exists(path) and name in SHIPPED:
        return CHECKPOINTS / name / outputs.BEST
    return CHECKPOINTS if not os.path.exists(path) and name == ENSEMBLE else path


def is_shipped(path: Path) -> bool:
    """Whether a file is one of those that ship, into whose folders nothing is written."""
    return path.resolve().is_relative_to(CHECKPOINTS.resolve())
