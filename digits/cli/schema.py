"""Settings held to their declarations (`digits.cli.options`): one line says what does not fit."""

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args, get_type_hints, is_typeddict

import msgspec

from digits.cli.expected import in_words, shown
from digits.cli.hints import closest
from digits.cli.options.commands import COMMANDS, TARGETS
from digits.cli.options.rules import RULES
from digits.cli.options.types import PATH
from digits.errors import DigitsError
from digits.own_code import refuse_foreign

HYDRA = frozenset({"_target_", "_partial_", "_convert_", "_recursive_", "_args_"})


def check(config: Mapping[str, Any], command: str) -> None:
    """Hold the settings of a command to what is declared of them.

    Objects of other packages, which have no declaration here, are left to those who build them.

    Args:
        config: resolved, as plain data.
        command: `train` or `predict`.

    Raises:
        DigitsError: names a setting, its value, and what was expected.
    """
    top = declared(COMMANDS[command])
    for key, value in config.items():
        if key in top:
            _check_value(key, value, top[key])


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


def is_path(declaration: Any) -> bool:
    """Whether a setting holds a file or folder, or several."""
    metas = getattr(declaration, "__metadata__", ())
    return any(isinstance(meta, msgspec.Meta) and meta.title == PATH for meta in metas) or any(
        is_path(part) for part in get_args(declaration) if part is not declaration
    )


def _check_group(path: str, value: Mapping[str, Any], declaration: Any) -> bool:
    """Check a group setting by setting; False where it is not declared."""
    if "_target_" in value:
        _check_target(path, value["_target_"])
    known = settings_of(value, declaration)
    if known is None:
        return "_target_" in value
    for key, item in value.items():
        if key in HYDRA:
            continue
        if key not in known:
            meant = closest(key, known)
            hint = f"did you mean {path}.{meant}?" if meant else f"{path} has {', '.join(known)}."
            raise DigitsError(f"{path}.{key}={shown(item)}: there is no such setting; {hint}")
        _check_value(f"{path}.{key}", item, known[key])
    rule = RULES.get(str(value.get("_target_")))
    for key, expected in rule(value) if rule else ():
        raise DigitsError(f"{path}.{key}={shown(value[key])}: expected {expected}.")
    return True


def _check_value(path: str, value: Any, declaration: Any) -> None:
    if isinstance(value, dict) and _check_group(path, value, declaration):
        return
    try:
        msgspec.convert(value, declaration)
    except msgspec.ValidationError as error:
        raise DigitsError(f"{path}={shown(value)}: expected {in_words(declaration)}.") from error
    if isinstance(value, dict):  # groups within it, such as callbacks
        for key, item in value.items():
            if isinstance(item, dict):
                _check_group(f"{path}.{key}", item, None)


def _check_target(path: str, target: object) -> None:
    """Refuse what is nobody's part of a detector: a function of Python itself."""
    if isinstance(target, str) and target.partition(".")[0] in sys.stdlib_module_names:
        refuse_foreign({path: {"_target_": target}}, trust=())
    if not isinstance(target, str):
        raise DigitsError(
            f"{path}._target_={shown(target)}: expected the dotted name of a class or function "
            "made for this place, such as those in conf/."
        )


def flatten(config: Mapping[str, Any], declaration: Any) -> Iterator[str]:
    """The dotted keys of all settings that there are, declared ones that are not set included."""
    known = declared(declaration) if is_typeddict(declaration) else settings_of(config, declaration)
    for key in dict.fromkeys((*config, *(known or ()))):
        if key in HYDRA:
            continue
        yield key
        value = config.get(key)
        if isinstance(value, Mapping):
            part = (known or {}).get(key)
            yield from (f"{key}.{inner}" for inner in flatten(value, part))
