"""Checkpoints that describe themselves: plain data and tensors, never unpickled."""

import hashlib
import importlib
import json
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from digits.errors import DigitsError
from digits.models.anchors import auto_heights
from digits.models.weights import load_plain
from digits.reading.refine import check_refine
from digits.types import CLASS_NAMES

SHIPPED = Path(__file__).with_name("shipped.ckpt")  # docs/model.md says what it is
KEY = "digits"  # where our description lies in a Lightning checkpoint
# Rebuilding runs the code that a checkpoint names, so only our own builders may be named.
_TARGETS = ("digits.models.", "digits.reading.")


def describe(config: dict[str, Any], versions: dict[str, str]) -> dict[str, Any]:
    """The description of a checkpoint: resolved config, class names, versions; plain data."""
    return {"config": config, "class_names": list(CLASS_NAMES), "versions": versions}


def load(path: Path) -> dict[str, Any]:
    """Read one of our checkpoints on the CPU.

    Raises:
        DigitsError: missing, not a torch file, not one of ours, or for other classes.
    """
    if not path.is_file():
        raise DigitsError(f"ckpt={path}: no such file; train.py writes best.ckpt and last.ckpt.")
    try:
        checkpoint: dict[str, Any] = load_plain(path)
        if not isinstance(checkpoint, dict):
            raise TypeError(f"a {type(checkpoint).__name__}")
        description, _ = checkpoint[KEY], checkpoint["state_dict"]
        names = description["class_names"]
        _ = description["config"]["model"], description["config"]["reading"]
    except (DigitsError, KeyError, TypeError) as error:
        reason = (
            "not a torch file of plain data"
            if isinstance(error, DigitsError)
            else f"no description in it: {error!r}"
        )
        raise DigitsError(
            f"ckpt={path}: not a checkpoint of digits' train.py ({reason})."
        ) from error
    if names != list(CLASS_NAMES):
        raise DigitsError(f"ckpt={path}: expected the classes {list(CLASS_NAMES)}, got {names}.")
    return checkpoint


def rebuild(checkpoint: dict[str, Any], inference: dict[str, Any] | None = None) -> nn.Module:
    """The trained detector in evaluation mode, from the checkpoint alone.

    Args:
        checkpoint: from `load`.
        inference: arguments of `build_detector` to replace, such as `box_score_thresh`.
    """
    config = _settled(checkpoint, inference or {})
    config["backbone"]["weights"] = "none"  # they are in the checkpoint: download nothing
    model = _instantiate(config)
    state = checkpoint["state_dict"]
    try:
        model.load_state_dict({k.removeprefix("model."): v for k, v in state.items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise DigitsError(
            f"The checkpoint's weights do not fit its network, changed by inference={inference}: "
            f"{reason}"
        ) from error
    detector: nn.Module = model.eval()
    return detector


def _settled(checkpoint: dict[str, Any], inference: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the detector, some of them replaced."""
    config: dict[str, Any] = deepcopy(checkpoint[KEY]["config"]["model"])
    if config.get("anchor_heights") == "auto":
        # At another input size digits have other sizes; what an anchor has learnt has not.
        config["anchor_heights"] = list(auto_heights(config["min_size"]))
    return config | inference


def rebuild_reader(checkpoint: dict[str, Any], config: dict[str, Any] | None = None) -> Any:
    """A reader with what was fitted to the checkpoint's detections on valid.

    Args:
        checkpoint: from `load`.
        config: of another reader than the one that the detector was trained with.
    """
    reader = _instantiate(config or checkpoint[KEY]["config"]["reading"])
    return reader.with_fit(checkpoint[KEY].get("reader"))


def refines(checkpoint: dict[str, Any], refine: bool | str) -> bool:
    """Whether the boxes of pred.json are refined: as said, or by `auto` as valid decided.

    Raises:
        DigitsError: neither.
    """
    check_refine(refine)
    return bool(checkpoint[KEY].get("refine", False) if refine == "auto" else refine)


def header(checkpoint: dict[str, Any], path: Path, inference: dict[str, Any]) -> dict[str, Any]:
    """What `detections.json` says of its origin: checkpoint, digests of weights and settings."""
    return {
        "checkpoint": str(path),
        "weights_sha256": _weights_digest(checkpoint["state_dict"]),
        "config_digest": digest_of(_settled(checkpoint, inference)),
        "class_names": checkpoint[KEY]["class_names"],
        "versions": checkpoint[KEY]["versions"],
    }


def digest_of(content: Any) -> str:
    """16 hexadecimal digits that tell plain data apart, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _weights_digest(state: dict[str, Tensor]) -> str:
    """Of the weights alone: what was found stays valid when the file's reading is fitted anew."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().cpu().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def finish(
    path: Path,
    metrics: dict[str, Any],
    reader: dict[str, Any] | None,
    refine: bool,
    inference: dict[str, Any] | None = None,
) -> None:
    """Rewrite a finished checkpoint: final metrics and the fitted reader in, optimizer and second
    weights out.

    Such a file is a quarter of the size; a run is resumed from `last.ckpt`.

    Args:
        path: of the checkpoint.
        metrics: figures by name.
        reader: `digits.reading.Reader.fitted`.
        refine: whether refined boxes score better on valid.
        inference: arguments of the detector that it keeps from now on.
    """
    checkpoint = load(path)
    description = checkpoint[KEY] | {"metrics": metrics, "reader": reader, "refine": refine}
    if inference:
        model = {"model": _settled(checkpoint, inference)}
        description["config"] = description["config"] | model
    lean = {KEY: description, "state_dict": checkpoint["state_dict"]}
    for kept in ("epoch", "global_step", "pytorch-lightning_version"):
        lean[kept] = checkpoint.get(kept)
    partial = path.with_name(path.name + ".part")
    torch.save(lean, partial)
    os.replace(partial, path)


def _instantiate(config: dict[str, Any]) -> Any:
    for target in _targets(config):
        if not _is_ours(target):
            raise DigitsError(
                f"The checkpoint asks to run {target!r}; only {', '.join(_TARGETS)} are allowed."
            )
    return instantiate(config, _convert_="all")


def _is_ours(target: str) -> bool:
    """Whether a name is defined in one of our modules, not just reachable through what it imports
    (`digits.models.weights.pickle.loads` would run anything)."""
    module, _, name = target.rpartition(".")
    if not target.startswith(_TARGETS):
        return False
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return False
    return getattr(found, "__module__", None) == module


def _targets(config: Any) -> list[str]:
    if isinstance(config, dict):
        own = [str(config["_target_"])] if "_target_" in config else []
        return own + [t for value in config.values() for t in _targets(value)]
    if isinstance(config, list):
        return [t for value in config for t in _targets(value)]
    return []
