"""Checkpoints that describe themselves: plain data and tensors, never unpickled."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from digits import builders, fingerprints
from digits.errors import DigitsError
from digits.io import partial_path
from digits.models.anchors import auto_heights
from digits.models.weights import load_plain
from digits.reading import Reader
from digits.reading.base import ReaderState
from digits.types import CLASS_NAMES

KEY = "digits"  # where our description lies in a Lightning checkpoint
FORMAT = 2  # 1, without a number: before 2026-11-26

Checkpoint = dict[str, Any]
"""A Lightning checkpoint, with our description under `KEY`."""


def describe(config: dict[str, Any], versions: dict[str, str]) -> dict[str, Any]:
    """The description of a checkpoint: resolved config, class names, versions; plain data."""
    return {
        "format": FORMAT,
        "config": config,
        "class_names": list(CLASS_NAMES),
        "versions": versions,
    }


def load(path: Path) -> Checkpoint:
    """Read the checkpoint of a detector on the CPU; an older format with the names of today.

    Raises:
        DigitsError: missing, not a torch file, not one of ours, of a later format, or for other
            classes.
    """
    checkpoint = read(path, "ckpt", builders.migrate)
    if checkpoint[KEY]["config"].get("task") == "recognizer":
        raise DigitsError(f"ckpt={path}: not a checkpoint of a detector; say recognizer={path}.")
    return checkpoint


def read(path: Path, key: str, migrate: Callable[[dict[str, Any]], dict[str, Any]]) -> Checkpoint:
    """Read one of our checkpoints on the CPU.

    Args:
        path: of the file.
        key: of the argument that named it, for messages.
        migrate: its configuration with the names of today; a KeyError says that it lacks a part.

    Raises:
        DigitsError: as `load`.
    """
    if not path.is_file():
        raise DigitsError(f"{key}={path}: no such file; train.py writes best.ckpt and last.ckpt.")
    try:
        checkpoint = load_plain(path)
        if not isinstance(checkpoint, dict):
            raise TypeError(f"a {type(checkpoint).__name__}")
        description, _ = dict(checkpoint[KEY]), checkpoint["state_dict"]
        names, number = description["class_names"], description.get("format", 1)
        later = isinstance(number, int) and number > FORMAT
        if not later:
            description["config"] = migrate(description["config"])
    except (DigitsError, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = (
            "not a torch file of plain data"
            if isinstance(error, DigitsError)
            else f"no description in it: {error!r}"
        )
        raise DigitsError(
            f"{key}={path}: not a checkpoint of digits' train.py ({reason})."
        ) from error
    if later:
        raise DigitsError(
            f"{key}={path}: format {number}, of a later version; this one reads up to {FORMAT}. "
            "Update digits."
        )
    if names != list(CLASS_NAMES):
        raise DigitsError(f"{key}={path}: expected the classes {list(CLASS_NAMES)}, got {names}.")
    return checkpoint | {KEY: description | {"format": FORMAT}}


def rebuild(checkpoint: Checkpoint, overrides: Mapping[str, Any] | None = None) -> nn.Module:
    """The trained detector in evaluation mode, from the checkpoint alone.

    Args:
        checkpoint: from `load`.
        overrides: arguments of `build_detector` to replace, such as `box_score_thresh`.

    Raises:
        DigitsError: weights that do not fit the network.
    """
    model = builders.build_model(_settings(checkpoint, overrides or {}))
    load_weights(model, checkpoint, f", changed by inference={overrides}")
    return model.eval()


def load_weights(model: nn.Module, checkpoint: Checkpoint, changed: str = "") -> None:
    """Load a checkpoint's weights into its network; half precision becomes the network's own.

    Raises:
        DigitsError: they do not fit.
    """
    state = checkpoint["state_dict"]
    try:
        model.load_state_dict({k.removeprefix("model."): v for k, v in state.items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise DigitsError(
            f"The checkpoint's weights do not fit its network{changed}: {reason}"
        ) from error


def _settings(checkpoint: Checkpoint, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the detector, some of them replaced."""
    config = dict(checkpoint[KEY]["config"]["model"])
    if config.get("anchor_heights") == "auto":
        # At another input size digits have other sizes; what an anchor was trained on has not.
        config["anchor_heights"] = list(auto_heights(config["min_size"]))
    return config | dict(overrides)


def rebuild_reader(checkpoint: Checkpoint, reader: Reader | None = None) -> Reader:
    """A reader with what was fitted to the checkpoint's detections on valid.

    Args:
        checkpoint: from `load`.
        reader: another than the one that the detector was trained with.
    """
    unfitted = reader or builders.build_reader(checkpoint[KEY]["config"]["reading"])
    return unfitted.load_state(reader_state(checkpoint))


def reader_state(checkpoint: Checkpoint) -> ReaderState | None:
    """What the checkpoint's reader was fitted to on valid; `None` where nothing was."""
    state: ReaderState | None = checkpoint[KEY].get("reader")
    return state


def refines(checkpoint: Checkpoint) -> bool:
    """Whether the boxes of pred.json score better refined, as valid decided."""
    return bool(checkpoint[KEY].get("refine", False))


def header(
    checkpoint: Checkpoint,
    path: Path,
    overrides: Mapping[str, Any],
    recognizers: Sequence[str] = (),
) -> dict[str, Any]:
    """What `detections.json` says of its origin: checkpoint, digests of weights and settings.

    Args:
        checkpoint: from `load`.
        path: of its file.
        overrides: arguments of the detector that were replaced.
        recognizers: digests of the recognisers that read the photos' rows.
    """
    return {
        "checkpoint": str(path),
        "weights_sha256": fingerprints.of_weights(checkpoint["state_dict"]),
        "config_digest": fingerprints.of_data(_settings(checkpoint, overrides)),
        "recognizers": list(recognizers),
        "class_names": checkpoint[KEY]["class_names"],
        "versions": checkpoint[KEY]["versions"],
    }


def finalize(
    path: Path,
    metrics: Mapping[str, Any],
    reader: ReaderState | None,
    refine: bool,
    overrides: Mapping[str, Any] | None = None,
) -> None:
    """Rewrite a finished checkpoint: final metrics and the fitted reader in, optimizer and second
    weights out.

    Such a file is a quarter of the size; a run is resumed from `last.ckpt`.

    Args:
        path: of the checkpoint.
        metrics: figures by name.
        reader: `digits.reading.Reader.state`.
        refine: whether refined boxes score better on valid.
        overrides: arguments of the detector that it keeps from now on.
    """
    checkpoint = load(path)
    description = checkpoint[KEY] | {"metrics": dict(metrics), "reader": reader, "refine": refine}
    if overrides:
        model = {"model": _settings(checkpoint, overrides)}
        description["config"] = description["config"] | model
    lean = {KEY: description, "state_dict": checkpoint["state_dict"]}
    for kept in ("epoch", "global_step", "pytorch-lightning_version"):
        lean[kept] = checkpoint.get(kept)
    with partial_path(path) as partial:
        torch.save(lean, partial)
