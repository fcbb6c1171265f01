"""Detect the results of an earlier run in the output folder of a new one."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from digits import outputs
from digits.cli.locking import is_first_process
from digits.console import console
from digits.errors import DigitsError
from digits.shapes import decode_file

_CHECKPOINTS = (outputs.BEST, outputs.LAST)


def replace_training(folder: Path) -> None:
    """Report that a training overwrites an earlier run, and delete its TensorBoard events.

    TensorBoard would show the events of both as one run; all other files are replaced by name.
    """
    if not is_first_process():
        return
    if _tell(folder, *_CHECKPOINTS):
        for events in folder.glob("events.out.tfevents.*"):
            events.unlink()


def refuse_training(folder: Path) -> None:
    """Refuse to write a prediction into the folder of a training or of a sweep.

    Raises:
        DigitsError: its figures and settings would be lost.
    """
    marks = (*_CHECKPOINTS, outputs.SWEEP)
    if (folder / outputs.RUN).is_file() and any((folder / name).is_file() for name in marks):
        raise DigitsError(
            f"output_dir={folder}: a training's, whose settings, figures and report.html would be "
            f"replaced; say another, such as output_dir={folder / 'predict'}."
        )


def replace_prediction(folder: Path) -> None:
    """Report that a prediction will overwrite an earlier one, once its photos are read.

    Raises:
        DigitsError: as `refuse_training`.
    """
    refuse_training(folder)  # a sweep's folders are known only now
    _tell(folder, outputs.DETECTIONS)


def _tell(folder: Path, *names: str) -> bool:
    """Report whether the folder holds any of these files of an earlier run; returns it."""
    if not (folder / outputs.RUN).is_file() or not any((folder / name).is_file() for name in names):
        return False
    started: Any = ""
    with suppress(DigitsError):  # whatever is in it
        started = decode_file(folder / outputs.RUN, dict[str, Any]).get("started", "")
    of = f" of {started[:16].replace('T', ' ')} UTC" if isinstance(started, str) and started else ""
    console.print(
        f"output_dir={folder}: holds the results of an earlier run{of}, which this one replaces."
    )
    return True
