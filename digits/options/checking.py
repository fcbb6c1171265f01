"""Check a group of settings against its declaration."""

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from digits.errors import DigitsError
from digits.options import data, models, reading, training
from digits.options.expected import closest, in_words, shown
from digits.options.rules import RULES
from digits.own_code import refuse_foreign

HYDRA = frozenset({"_target_", "_partial_", "_convert_", "_recursive_", "_args_"})
TARGETS: dict[str, Any] = data.TARGETS | models.TARGETS | reading.TARGETS | training.TARGETS
"""`_target_` to the declaration of its settings."""


@cache
def declared(shape: type) -> dict[str, Any]:
    """The settings of a declaration: names to types."""
    return get_type_hints(shape, include_extras=True)


def settings_of(value: Mapping[str, Any], declaration: Any = None) -> dict[str, Any] | None:
    """The settings that a group may have: names to types; None where that is not declared.

    Args:
        value: the group as composed.
        declaration: its type in the group that it stands in.
    """
    if "_target_" in value:
        shape = TARGETS.get(str(value["_target_"]))
        return None if shape is None else declared(shape)
    for part in (declaration, *get_args(declaration)):
        if is_typeddict(part):
            return declared(part)
    return None


def check_group(path: str, value: Mapping[str, Any], declaration: Any = None) -> bool:
    """Check a group setting by setting; False where it is not declared.

    Args:
        path: of the group, for messages.
        value: the group as plain data.
        declaration: its type in the group that it stands in.

    Raises:
        DigitsError: names a setting, its value, and what was expected.
    """
    if "_target_" in value:
        _check_target(path, value["_target_"])
    known = settings_of(value, declaration)
    if known is None:
        return "_target_" in value
    for key, item in value.items():
        if key == "_args_":
            raise DigitsError(f"{path}._args_={shown(item)}: expected arguments by their names.")
        if key in HYDRA:
            continue
        if key not in known:
            meant = closest(str(key), known)
            hint = f"did you mean {path}.{meant}?" if meant else f"{path} has {', '.join(known)}."
            raise DigitsError(f"{path}.{key}={shown(item)}: there is no such setting; {hint}")
        check_value(f"{path}.{key}", item, known[key])
    rule = RULES.get(str(value.get("_target_")))
    for key, expected in rule(value) if rule else ():
        raise DigitsError(f"{path}.{key}={shown(value[key])}: expected {expected}.")
    return True


def check_value(path: str, value: Any, declaration: Any) -> None:
    """Check one setting, which may be a group.

    Raises:
        DigitsError: as `check_group`.
    """
    known = isinstance(value, dict) and check_group(path, value, declaration)
    try:
        msgspec.convert(value, declaration)
    except msgspec.ValidationError as error:
        if isinstance(value, dict) and (inner := _items_of(declaration)):
            for key, item in value.items():
                check_value(f"{path}.{key}", item, inner)
        raise DigitsError(f"{path}={shown(value)}: expected {in_words(declaration)}.") from error
    if isinstance(value, dict) and not known:  # groups within it, such as callbacks
        for key, item in value.items():
            if isinstance(item, dict):
                check_group(f"{path}.{key}", item)


def _items_of(declaration: Any) -> Any:
    """The declared type of the values of a dictionary; None: it is no dictionary of one type."""
    for part in (declaration, *get_args(declaration)):
        if get_origin(part) is dict:
            return get_args(part)[1]
    return None


def _check_target(path: str, target: object) -> None:
    """Refuse what is nobody's part of a detector: a function of Python itself."""
    if isinstance(target, str) and target.partition(".")[0] in sys.stdlib_module_names:
        refuse_foreign({path: {"_target_": target}}, trust=())
    if not isinstance(target, str):
        raise DigitsError(
            f"{path}._target_={shown(target)}: expected the dotted name of a class or function "
            "made for this place, such as those in conf/."
        )
