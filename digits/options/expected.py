"""Describe values and declared types in error messages."""

import difflib
from collections.abc import Iterable
from typing import Any

import msgspec.inspect as kinds

_MAX_CHARACTERS = 60  # characters of a value
_MAX_BOUND = 1e10  # bounds beyond it are not worth a word


def shown(value: object) -> str:
    """A value as it is typed on the command line, shortened."""
    text = _typed(value)
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 3]}..."


def _typed(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_typed(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_typed, value)) + "]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value) or "''"


def in_words(declaration: Any) -> str:
    """What a declared type takes: `a whole number of at least 1, or null`."""
    return _words(kinds.type_info(declaration))


def _words(kind: kinds.Type) -> str:
    match kind:
        case kinds.Metadata():
            title = (kind.extra_json_schema or {}).get("title")
            return title or _words(kind.type)
        case kinds.UnionType():
            return " or ".join(map(_words, kind.types))
        case kinds.LiteralType():
            values = list(dict.fromkeys(map(_typed, kind.values)))
            return " or ".join(values) if len(values) < 3 else f"one of {', '.join(values)}"
        case kinds.IntType():
            return "a whole number" + _bounds(kind)
        case kinds.FloatType():
            return "a number" + _bounds(kind)
        case kinds.ListType():
            return f"a list{_lengths(kind)}, each {_words(kind.item_type)}"
        case kinds.DictType() | kinds.TypedDictType():
            return "named settings"
        case kinds.StrType():
            return "text"
        case kinds.BoolType():
            return "true or false"
        case kinds.NoneType():
            return "null"
    return "something else"


def _bounds(kind: kinds.IntType | kinds.FloatType) -> str:
    low, high = (
        value if value is None or abs(value) < _MAX_BOUND else None for value in _ends(kind)
    )
    if low is None:
        return ""
    least = f" above {low}" if kind.gt is not None else f" of at least {low}"
    if high is None:
        return least
    if kind.lt is not None:
        return f"{least} and below {high}"
    return f"{least}, up to {high}" if kind.gt is not None else f" from {low} to {high}"


def _lengths(kind: kinds.ListType) -> str:
    least, most = kind.min_length, kind.max_length
    if most is None:
        return f" of at least {least}" if least else ""
    return f" of {most}" if least == most else f" of {least or 0} to {most}"


def _ends(kind: kinds.IntType | kinds.FloatType) -> tuple[float | None, float | None]:
    low = kind.ge if kind.ge is not None else kind.gt
    return low, kind.le if kind.le is not None else kind.lt


def closest(word: str, options: Iterable[str]) -> str | None:
    """The option most like a word."""
    options = list(options)
    beginning = [option for option in options if word and option.startswith(word)]
    return next(iter(difflib.get_close_matches(word, options, 1, 0.6) or beginning), None)
