"""Read checkpoint files: tensors and plain data that describe them, never unpickled."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from digits import shapes, torch_files
from digits.errors import DigitsError
from digits.misfits import shown
from digits.models.state import to_state
from digits.reading.state import FittedReader
from digits.types import CLASS_NAMES

KEY = "digits"  # where our description lies in a Lightning checkpoint
FORMAT = 2  # 1 has no number

_Format = Annotated[int, Meta(ge=1, le=1_000_000)]


class _Description(Struct):
    """What `describe` and `digits.checkpoint.finalize` write."""

    config: dict[str, Any]
    versions: dict[str, str]
    metrics: dict[str, Any] = {}
    reader: FittedReader | None = None
    refine: bool = False


def describe(config: dict[str, Any], versions: dict[str, str]) -> dict[str, Any]:
    """The description of a checkpoint: resolved config, class names, versions; plain data."""
    return {
        "format": FORMAT,
        "config": config,
        "class_names": list(CLASS_NAMES),
        "versions": versions,
    }


def read(
    path: Path, key: str, migrate: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """Read one of our checkpoints on the CPU; its weights stay on the disk until they are used.

    Args:
        path: of the file.
        key: of the argument that named it, for messages.
        migrate: its configuration to one with the current names; a KeyError says that a part is
            missing.

    Returns:
        The content of the file: a Lightning checkpoint, with our description under `KEY`.

    Raises:
        DigitsError: missing, not a torch file, damaged, not one of ours, of a later format, or for
            other classes.
    """
    where = f"{key}={path}"
    if not os.path.exists(path):
        raise DigitsError(f"{where}: no such file; train.py writes best.ckpt and last.ckpt.")
    if path.suffix in (".onnx", ".xml"):
        raise DigitsError(
            f"{where}: an exported file, which digits.load and digits.serve read; expected the "
            "checkpoint that it was made of."
        )
    try:
        content = torch_files.load_plain(path)
        if not isinstance(content, dict):
            raise TypeError(f"a {type(content).__name__}")
        description, state = dict(content[KEY]), content["state_dict"]
        shapes.check_plain(description, "its description")
        names, number = description["class_names"], description.get("format", 1)
        later = shapes.convert(number, _Format) > FORMAT
        if not later:
            description["config"] = migrate(description["config"])
    except (DigitsError, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = (
            str(error).removeprefix(f"{path}: ").rstrip(".")
            if isinstance(error, DigitsError)
            else f"no description in it: {error!r}"
        )
        raise DigitsError(f"{where}: not a checkpoint of digits' train.py ({reason}).") from error
    if later:
        raise DigitsError(
            f"{where}: format {number}, of a later version; this one reads up to {FORMAT}. "
            "Update digits."
        )
    if names != list(CLASS_NAMES):
        raise DigitsError(f"{where}: expected the classes {list(CLASS_NAMES)}, got {shown(names)}.")
    shapes.convert(description, _Description, where)
    to_state(state, where)
    return content | {KEY: description | {"format": FORMAT}}
