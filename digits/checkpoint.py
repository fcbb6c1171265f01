"""Checkpoints that describe themselves: plain data and tensors, never unpickled."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from msgspec import Meta, Struct
from torch import nn

from digits import builders, fingerprints, shapes, torch_files
from digits.errors import DigitsError
from digits.misfits import shown
from digits.models.anchors import auto_heights
from digits.models.state import WithoutRandomWeights, check_finite, misfits, to_state
from digits.reading import Reader
from digits.reading.base import ReaderState
from digits.reading.state import FittedReader
from digits.types import CLASS_NAMES

KEY = "digits"  # where our description lies in a Lightning checkpoint
FORMAT = 2  # 1 has no number

Checkpoint = dict[str, Any]
"""A Lightning checkpoint, with our description under `KEY`."""

_Format = Annotated[int, Meta(ge=1, le=1_000_000)]


class _Model(Struct):
    backbone: dict[str, Any]
    min_size: Any


class _Detector(Struct):
    """The configuration of a detector's run; `digits.builders` checks its parts."""

    model: _Model
    reading: dict[str, Any]


class _Description(Struct):
    """What `describe` and `finalize` write."""

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


def load(path: Path) -> Checkpoint:
    """Read the checkpoint of a detector on the CPU; an older format with the names of today.

    Raises:
        DigitsError: missing, not a torch file, damaged, not one of ours, of a later format, for
            other classes, or with weights that are not finite.
    """
    checkpoint = read(path, "ckpt", builders.migrate)
    config = checkpoint[KEY]["config"]
    if config.get("task") == "recognizer":
        raise DigitsError(f"ckpt={path}: not a checkpoint of a detector; say recognizer={path}.")
    shapes.convert(config, _Detector, f"ckpt={path}")
    builders.check(config)
    check_finite(checkpoint["state_dict"], f"ckpt={path}")
    return checkpoint


def read(path: Path, key: str, migrate: Callable[[dict[str, Any]], dict[str, Any]]) -> Checkpoint:
    """Read one of our checkpoints on the CPU; its weights stay on the disk until they are used.

    Args:
        path: of the file.
        key: of the argument that named it, for messages.
        migrate: its configuration with the names of today; a KeyError says that it lacks a part.

    Raises:
        DigitsError: as `load`, save that weights are not searched for NaN.
    """
    if not path.exists():
        raise DigitsError(f"{key}={path}: no such file; train.py writes best.ckpt and last.ckpt.")
    if path.suffix in (".onnx", ".xml"):
        raise DigitsError(
            f"{key}={path}: an exported file, which digits.load and digits.serve read; expected "
            "the checkpoint that it was made of."
        )
    where = f"{key}={path}"
    try:
        checkpoint = torch_files.load_plain(path)
        if not isinstance(checkpoint, dict):
            raise TypeError(f"a {type(checkpoint).__name__}")
        description, state = dict(checkpoint[KEY]), checkpoint["state_dict"]
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
    return checkpoint | {KEY: description | {"format": FORMAT}}


def rebuild(
    checkpoint: Checkpoint, overrides: Mapping[str, Any] | None = None, trust: Sequence[str] = ()
) -> nn.Module:
    """The trained detector in evaluation mode, from the checkpoint alone.

    Args:
        checkpoint: from `load`.
        overrides: arguments of `build_detector` to replace, such as `box_score_thresh`.
        trust: modules whose functions it may name as its backbone (`digits.own_code`).

    Raises:
        DigitsError: weights that do not fit the network.
    """
    settings = _settings(checkpoint, overrides or {})
    changed = f", changed by inference={overrides}" if overrides else ""
    return load_weights(lambda: builders.build_model(settings, trust), checkpoint, changed).eval()


def load_weights(
    build: Callable[[], nn.Module], checkpoint: Checkpoint, changed: str = ""
) -> nn.Module:
    """A network with a checkpoint's weights; half precision becomes the network's own.

    Args:
        build: the network; called twice, first on the meta device to compare names and shapes
            before memory is taken.
        checkpoint: from `read`.
        changed: what was changed in the network, for messages.

    Raises:
        DigitsError: they do not fit.
    """
    state = to_state(checkpoint["state_dict"], "The checkpoint")
    with torch.device("meta"), WithoutRandomWeights():
        reason = misfits(state, build())
    if reason:
        raise DigitsError(f"The checkpoint's weights do not fit its network{changed}: {reason}.")
    network = build()
    network.load_state_dict(state)
    return network


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
    torch_files.save(lean, path)
