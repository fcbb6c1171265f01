"""The user's own code that a `_target_` names: run only where `trust=` names its module.

A file cannot vouch for itself, so what is trusted comes from the command line (`digits.cli.trust`)
or from the caller (`digits.load(..., trust=...)`).
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from digits.errors import DigitsError, one_line

_LIBRARIES = ("digits", "torch", "torchvision", "lightning", "albumentations")


def import_trusted(value: object) -> tuple[str, ...]:
    """The modules that a setting names, imported, from the current folder too.

    Args:
        value: the name of a module, or several; `None`: none.

    Raises:
        DigitsError: not names of modules, modules that are not the user's own, or that cannot be
            imported.
    """
    items = [] if value is None else list(value) if isinstance(value, list | tuple) else [value]
    names: list[str] = []
    for name in items:
        if not isinstance(name, str) or not all(map(str.isidentifier, name.split("."))):
            raise DigitsError(f"trust={name}: expected the name of a module, such as trust=mynet.")
        root = name.partition(".")[0]
        if root in sys.stdlib_module_names or root in _LIBRARIES:
            raise DigitsError(
                f"trust={name}: a module of Python or of a library, which would let a file run "
                "anything; expected a module of your own."
            )
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever the module does when it is imported
            raise DigitsError(
                f"trust={name}: cannot be imported from {os.getcwd()} or where packages are "
                f"installed ({type(error).__name__}: {one_line(error)[:200]})."
            ) from error
        names.append(name)
    return tuple(names)


def find_trusted(name: object, trust: Sequence[str]) -> Callable[..., Any] | None:
    """The function or class of a trusted module that a `_target_` names; else None.

    What a trusted module has only imported is not its own: a file may not run that by its name.
    """
    if not isinstance(name, str) or not _below(name, trust):
        return None
    module, _, attribute = name.rpartition(".")
    found = getattr(sys.modules.get(module) or _imported(module), attribute, None)
    own = callable(found) and _below(str(getattr(found, "__module__", "")) + ".", trust)
    return found if own else None


def refuse_foreign(config: object, trust: Sequence[str]) -> None:
    """Refuse a configuration that names code from outside that is not trusted.

    Args:
        config: plain data.
        trust: names of modules.

    Raises:
        DigitsError: says where it is named, and how to trust it.
    """
    for where, name in _targets(config, ""):
        root = str(name).partition(".")[0]
        if root in _LIBRARIES or find_trusted(name, trust):
            continue
        if _below(str(name), trust):
            raise DigitsError(f"{where}._target_={name}: its module defines no such function.")
        module = str(name).rpartition(".")[0]
        own = module and root not in sys.stdlib_module_names
        hint = f"if you trust that module, add trust={module}" if own else "expected another"
        raise DigitsError(f"{where}._target_={name}: code from outside digits; {hint}.")


def _below(name: str, modules: Sequence[str]) -> bool:
    return any(name.startswith(f"{module}.") for module in modules)


def _imported(module: str) -> object:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def _targets(value: object, where: str) -> Iterator[tuple[str, object]]:
    """Every `_target_` in plain data, and the key of what it makes."""
    if isinstance(value, dict):
        if "_target_" in value:
            yield where, value["_target_"]
        for key, item in value.items():
            yield from _targets(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _targets(item, f"{where}[{number}]")
