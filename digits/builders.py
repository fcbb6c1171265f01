"""The closed table of what a checkpoint may name: names to our own functions, nothing else.

What comes from a file is never handed to Hydra, whose `instantiate` runs any function and resolves
interpolations. Names are public: where code moves or arguments change, the tables below map the
old ones to the new ones, so that older checkpoints still load.
"""

import importlib
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from torch import nn

from digits.errors import DigitsError
from digits.reading import Reader

_DETECTORS = ("digits.models.detector.build_detector",)
_BACKBONES = (
    "digits.models.families.convnext_base_fpn",
    "digits.models.families.convnext_tiny_fpn",
    "digits.models.families.mobilenet_v3_large_fpn",
    "digits.models.families.swin_t_fpn",
    "digits.models.families.vgg16",
    "digits.models.ppocr.ppocr_fpn",
    "digits.models.resnets.resnet101_fpn",
    "digits.models.resnets.resnet50_fpn",
    "digits.models.resnets.resnet50_fpn_v2",
    "digits.models.small.small_fpn",
    "digits.models.timm_fpn.timm_fpn",
)
_RECOGNIZERS = (
    "digits.recognition.weights.ppocr_recognizer",
    "digits.recognition.weights.small_recognizer",
)
_READERS = (
    "digits.reading.calibrated.CalibratedReader",
    "digits.reading.rules.CascadeReader",
    "digits.reading.rules.ThresholdReader",
)
# (name, old argument) to the new argument and what its values became.
_RENAMED: dict[tuple[str, str], tuple[str, dict[Any, Any]]] = {
    ("digits.models.ppocr.ppocr_fpn", "whole"): ("stages", {False: 2, True: 3}),
}
_DEPTH, _SIZE, _TEXT = 6, 1000, 1000  # of arguments: nested levels, values, characters
_HYDRA = {"_target_", "_convert_"}


def build_model(config: Mapping[str, Any]) -> nn.Module:
    """The detector that a checkpoint's configuration describes, with fresh weights.

    Raises:
        DigitsError: a name that is not in the table, arguments that are not plain data or wrong.
    """
    arguments = {name: value for name, value in config.items() if name != "backbone"}
    backbone = dict(config["backbone"]) | {"weights": "none"}  # they are in the checkpoint
    spec = _call(_BACKBONES, backbone, "model.backbone")
    model: nn.Module = _call(_DETECTORS, arguments, "model", backbone=spec)
    return model


def build_recognizer(config: Mapping[str, Any]) -> nn.Module:
    """The network of a recogniser that a checkpoint's configuration describes, with fresh weights.

    Raises:
        DigitsError: as `build_model`.
    """
    network: nn.Module = _call(_RECOGNIZERS, dict(config) | {"weights": "none"}, "network")
    return network


def build_reader(config: Mapping[str, Any]) -> Reader:
    """The reader that a checkpoint's configuration describes, not fitted.

    Raises:
        DigitsError: as `build_model`.
    """
    reader: Reader = _call(_READERS, config, "reading")
    return reader


def migrate(config: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint's configuration with the names of today.

    Raises:
        DigitsError: the parts that a rebuild needs are not there.
    """
    config = deepcopy(config)
    for part in (config["model"], config["model"]["backbone"], config["reading"]):
        for (target, old), (new, values) in _RENAMED.items():
            if part.get("_target_") == target and old in part:
                part[new] = values[part.pop(old)]
    return config


def _call(allowed: tuple[str, ...], config: Mapping[str, Any], where: str, **more: Any) -> Any:
    name = config.get("_target_")
    if not isinstance(name, str) or name not in allowed:
        raise _foreign(name, where, allowed)
    arguments = {key: value for key, value in config.items() if key not in _HYDRA}
    _check_plain(arguments, where, _DEPTH, [_SIZE])
    module, _, attribute = name.rpartition(".")
    build = getattr(importlib.import_module(module), attribute)
    try:
        return build(**arguments, **more)
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise DigitsError(
            f"The checkpoint's {where} cannot be built: {' '.join(str(error).split())[:300]}"
        ) from error


def _foreign(name: object, where: str, allowed: tuple[str, ...]) -> DigitsError:
    known = ", ".join(allowed) or "none"
    return DigitsError(f"The checkpoint asks to run {name!r} as {where}; allowed there: {known}.")


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
        if len(value) > _TEXT or "$" in value:
            raise DigitsError(f"The checkpoint's {where} is {value[:80]!r}; expected plain text.")
    elif not (value is None or isinstance(value, bool | int | float)):
        raise DigitsError(
            f"The checkpoint's {where} is a {type(value).__name__}; expected numbers, text, lists "
            "and dictionaries."
        )
