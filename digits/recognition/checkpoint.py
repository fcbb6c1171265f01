"""Checkpoints of recognisers: of the same self-describing kind as those of detectors."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from digits import builders, checkpoint_file, fingerprints, resources, shapes, torch_files
from digits.data.paths import path_text
from digits.errors import DigitsError, told_of
from digits.models.state import check_finite, load_weights
from digits.reading.base import ReaderState
from digits.recognition.crops import CropOptions
from digits.recognition.recognizer import Recognizer


def load_recognizer(path: Path, device: torch.device | None = None) -> Recognizer:
    """A trained recogniser from its checkpoint alone.

    Raises:
        DigitsError: missing, not the checkpoint of a recogniser, or weights that do not fit.
    """
    loaded = checkpoint_file.read(path, "recognizer", _parts)
    where = f"recognizer={path}"
    config = loaded[checkpoint_file.KEY]["config"]["recognizer"]
    check_finite(loaded["state_dict"], where)
    with told_of(where):
        network = load_weights(
            lambda: builders.build_recognizer(config["network"]), loaded["state_dict"]
        )
    options = shapes.convert(config["crops"], CropOptions, f"{where}: crops")
    return Recognizer(network, options, device, fingerprints.of_weights(loaded["state_dict"]))


def open_recognizers(
    value: object, states: Iterable[ReaderState | None], device: torch.device
) -> list[Recognizer]:
    """The recognisers that a setting means.

    Args:
        value: `auto`: the one that ships, where all readers were fitted with one; `shipped`; a
            path, or a list of them; `None`: none.
        states: of the readers (`digits.reading.Reader.state`).
        device: where they run.

    Raises:
        DigitsError: as `load_recognizer`; a setting that is none of these.
    """
    if value == "auto":
        fitted = [state is not None and "texts" in state for state in states]
        value = "shipped" if fitted and all(fitted) else None
    items = value if isinstance(value, list) else [] if value is None else [value]
    texts = [path_text("recognizer", item) for item in items]
    paths = [resources.RECOGNIZER if text == "shipped" else Path(text) for text in texts]
    return [load_recognizer(path, device) for path in paths]


def finalize_recognizer(path: Path, metrics: Mapping[str, Any]) -> None:
    """Rewrite a finished checkpoint: final metrics in, optimizer out, weights in half precision."""
    loaded = checkpoint_file.read(path, "recognizer", _parts)
    state = {
        name.removeprefix("model."): value.half() if value.is_floating_point() else value
        for name, value in loaded["state_dict"].items()
    }
    description = loaded[checkpoint_file.KEY] | {"metrics": dict(metrics)}
    torch_files.save({checkpoint_file.KEY: description, "state_dict": state}, path)


def _parts(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration, if it holds what a recogniser is rebuilt from."""
    if "recognizer" not in config:
        raise DigitsError("of a detector: say ckpt= instead of recognizer=")
    parts = config["recognizer"]
    dict(parts["network"]), CropOptions(**parts["crops"])
    return config
