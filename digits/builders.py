"""Build the models and readers that a checkpoint names, from functions declared in `options/`.

What comes from a file is never handed to Hydra, whose `instantiate` runs any function and resolves
interpolations. A user's own backbones come in by naming their module (`digits.own_code`). Names are
public: where code moves or arguments change, `_RENAMED` maps the old ones to the new ones, so that
older checkpoints still load.
"""

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from digits.errors import DigitsError, one_line
from digits.misfits import shown
from digits.options.checking import check_group
from digits.options.models import BACKBONES, DETECTORS, NETWORKS
from digits.options.reading import TARGETS as READERS
from digits.own_code import find_trusted
from digits.reading import Reader

if TYPE_CHECKING:
    from torch import nn

# (name, old argument) to the new argument and what its values became.
_RENAMED: dict[tuple[str, str], tuple[str, dict[Any, Any]]] = {
    ("digits.models.ppocr.ppocr_fpn", "whole"): ("stages", {False: 2, True: 3}),
}
_MAX_DEPTH, _MAX_VALUES = 6, 1000  # of arguments: nested levels, values in all
_MAX_CHARACTERS = 1000  # of a text among them
_HYDRA = {"_target_", "_convert_"}


def build_model(config: Mapping[str, Any], trust: Sequence[str] = ()) -> "nn.Module":
    """The detector that a checkpoint's configuration describes, with fresh weights.

    Args:
        config: of the model.
        trust: modules whose own functions may be named as its backbone.

    Raises:
        DigitsError: a name that is not declared, arguments that are not plain data or wrong.
    """
    arguments = {name: value for name, value in config.items() if name != "backbone"}
    backbone = dict(config["backbone"])
    if "weights" in backbone or backbone.get("_target_") in list(BACKBONES):
        backbone["weights"] = "none"  # they are in the checkpoint
    spec = _call(BACKBONES, backbone, "model.backbone", trust)
    model: nn.Module = _call(DETECTORS, arguments, "model", backbone=spec)
    return model


def check(config: Mapping[str, Any]) -> None:
    """Check the detector and reader of a checkpoint against their declared arguments.

    Its backbone, which may be a user's own, is left to `build_model`.

    Raises:
        DigitsError: as `build_model`.
    """
    model = {name: value for name, value in config["model"].items() if name != "backbone"}
    _resolve(DETECTORS, model, "model")
    _resolve(READERS, config["reading"], "reading")


def refuse_unreadable(config: Mapping[str, Any], trust: Sequence[str] = ()) -> None:
    """Refuse the configuration of a run whose checkpoints could not be rebuilt.

    Args:
        config: of the whole run.
        trust: as in `build_model`.

    Raises:
        DigitsError: as `build_model`.
    """
    try:
        check(config)
        _resolve(BACKBONES, config["model"]["backbone"], "model.backbone", trust)
        if config["model"]["backbone"]["_target_"] not in BACKBONES:
            import torch

            with torch.device("meta"):  # as a checkpoint's network is built first
                build_model(config["model"], trust)
    except DigitsError as error:
        raise DigitsError(f"No checkpoint of this run could be read back. {error}") from error


def build_recognizer(config: Mapping[str, Any]) -> "nn.Module":
    """The network of a recogniser that a checkpoint's configuration describes, with fresh weights.

    Raises:
        DigitsError: as `build_model`.
    """
    network: nn.Module = _call(NETWORKS, dict(config) | {"weights": "none"}, "network")
    return network


def build_reader(config: Mapping[str, Any]) -> Reader:
    """The reader that a checkpoint's configuration describes, not fitted.

    Raises:
        DigitsError: as `build_model`.
    """
    reader: Reader = _call(READERS, config, "reading")
    return reader


def migrate(config: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint's configuration with the current names.

    Raises:
        DigitsError: it is a recogniser's.
        KeyError: the parts that a rebuild needs are not there.
    """
    if "model" not in config and "recognizer" in config:
        raise DigitsError("of a recogniser: say recognizer= instead of ckpt=")
    config = deepcopy(config)
    for part in (config["model"], config["model"]["backbone"], config["reading"]):
        for (target, old), (new, values) in _RENAMED.items():
            if part.get("_target_") == target and old in part:
                part[new] = values[part.pop(old)]
    return config


def _call(
    allowed: Collection[str],
    config: Mapping[str, Any],
    where: str,
    trust: Sequence[str] = (),
    **more: Any,
) -> Any:
    build, arguments = _resolve(allowed, config, where, trust)
    try:
        return build(**arguments, **more)
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise DigitsError(
            f"The checkpoint's {where} cannot be built: {one_line(error)[:300]}"
        ) from error


def _resolve(
    allowed: Collection[str], config: Mapping[str, Any], where: str, trust: Sequence[str] = ()
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The function that a part of a configuration names, and its arguments."""
    name = config.get("_target_")
    arguments = {key: value for key, value in config.items() if key not in _HYDRA}
    if isinstance(name, str) and name in allowed:
        module, _, attribute = name.rpartition(".")
        build = getattr(importlib.import_module(module), attribute)
    elif not (build := find_trusted(name, trust)):
        raise _foreign(name, where, allowed)
    _check_plain(arguments, where, _MAX_DEPTH, [_MAX_VALUES])
    check_group(f"The checkpoint's {where}", {"_target_": name} | arguments)
    return build, arguments


def _foreign(name: object, where: str, allowed: Collection[str]) -> DigitsError:
    known = ", ".join(allowed) or "none"
    own = "a backbone of your own wants trust=MODULE; others " if allowed is BACKBONES else ""
    return DigitsError(
        f"The checkpoint asks to run {shown(name)} as {where}; {own}allowed there: {known}."
    )


def _check_plain(value: object, where: str, depth: int, left: list[int]) -> None:
    """Refuse whatever is not numbers, short text, lists and dictionaries, few and shallow."""
    left[0] -= 1
    if depth < 0 or left[0] < 0:
        raise DigitsError(f"The checkpoint's {where} is nested too deeply or too large.")
    if isinstance(value, dict):
        if "_target_" in value:
            raise _foreign(value["_target_"], where, ())
        for key, item in value.items():
            if not isinstance(key, str) or key.startswith("_"):
                raise DigitsError(
                    f"The checkpoint's {where} has the key {key!r}; expected names of arguments."
                )
            _check_plain(item, f"{where}.{key}", depth - 1, left)
    elif isinstance(value, list):
        for item in value:
            _check_plain(item, where, depth - 1, left)
    elif isinstance(value, str):
        if len(value) > _MAX_CHARACTERS or "$" in value:
            raise DigitsError(f"The checkpoint's {where} is {value[:80]!r}; expected plain text.")
    elif not (value is None or isinstance(value, bool | int | float)):
        raise DigitsError(
            f"The checkpoint's {where} is a {type(value).__name__}; expected numbers, text, lists "
            "and dictionaries."
        )
