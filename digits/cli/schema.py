"""The settings of a command: held to their declarations, and listed."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args, is_typeddict

import msgspec

from digits.cli.commands import COMMANDS
from digits.options.checking import HYDRA, check_value, declared, settings_of
from digits.options.types import PATH


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
            check_value(key, value, top[key])


def is_path(declaration: Any) -> bool:
    """Whether a setting holds a file or folder, or several."""
    metas = getattr(declaration, "__metadata__", ())
    return any(isinstance(meta, msgspec.Meta) and meta.title == PATH for meta in metas) or any(
        is_path(part) for part in get_args(declaration) if part is not declaration
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
