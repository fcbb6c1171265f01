"""Describe where data does not fit its schema, in plain words instead of Python's types."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from digits.errors import DigitsError

_SHOWN, _LONGEST = 60, 300  # characters of a value, and of a sentence, in a message
_GOT = re.compile(r", got `[^`]*`$")
_STEP = re.compile(r"\[(\d+|\.\.\.)\]|\.?([^.\[\]]+)")
_WORDS = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false",
    "array": "a list", "object": "named values", "null": "null",
}  # fmt: skip


@dataclass(frozen=True)
class Misfit:
    """Where a value does not have its declared shape.

    Attributes:
        path: inside the data, such as `photos[3].labels[0]`; empty for the whole.
        expected: what would be right, without a full stop.
        got: the value, shortened; empty where something is missing or has no name.
    """

    path: str
    expected: str
    got: str = ""

    def __str__(self) -> str:
        got = f", got {self.got}" if self.got else ""
        return f"{self.path}: {self.expected}{got}" if self.path else f"{self.expected}{got}"


class MisfitError(DigitsError):
    """A value that does not have its declared shape; `misfit` says it in parts."""

    def __init__(self, where: str, misfit: Misfit) -> None:
        super().__init__(f"{where}: {misfit}." if where else f"{misfit}.")
        self.misfit = misfit


def misfit_of(error: msgspec.ValidationError, value: object) -> Misfit:
    """What msgspec says of data, in words, with the value that it speaks of.

    Args:
        error: of msgspec.
        value: the data; UNSET where it is not at hand.
    """
    text, _, path = str(error).partition(" - at ")
    path = path.strip("`").removeprefix("$").removeprefix(".")
    if path.startswith("key` in"):
        path = path.rpartition("`$")[2].removeprefix(".")
        return Misfit(path, f"{_in_words(_GOT.sub('', text)) or 'expected text'} as each name")
    text = _GOT.sub("", text)
    if field := re.fullmatch(r"Object missing required field `(.+)`", text):
        return Misfit(path, f"lacks {field[1]!r}")
    if field := re.fullmatch(r"Object contains unknown field `(.*)`", text, re.DOTALL):
        return Misfit(path, f"has the unknown name {shown(field[1])}")
    words = _in_words(text)
    if words is None:  # of a check of ours, in a Struct's __post_init__
        return Misfit(path, shortened(text, _LONGEST))
    return Misfit(path, words, _value_at(value, path))


def _in_words(text: str) -> str | None:
    """A message of msgspec without the names of Python's types; None: it is none."""
    if text.startswith("Invalid enum value"):
        return "expected one of the known names"
    if text in ("Number out of range", "Integer value out of range"):
        return "expected a smaller number"
    kinds = re.match(r"Expected `([^`]+)`", text)
    if not kinds:
        return None
    words = " or ".join(_WORDS.get(kind, kind) for kind in kinds[1].split(" | "))
    return f"expected {words}{text[kinds.end() :]}"


def _value_at(value: object, path: str) -> str:
    """The value at a path, in short; empty where the path does not name it."""
    found: Any = value
    if found is msgspec.UNSET:
        return ""
    for number, name in _STEP.findall(path):
        try:
            found = found[int(number)] if number else found[name]
        except (LookupError, TypeError, ValueError):
            return ""
    return shown(found)


def shown(value: object) -> str:
    """A value for a message, in short: a list or dictionary with much in it by its size."""
    if isinstance(value, dict | list | tuple):
        few = len(value) <= 4 and not any(isinstance(item, dict | list | tuple) for item in value)
        if not few:
            return f"a {type(value).__name__} of {len(value)}"
    try:
        return shortened(repr(value), _SHOWN)
    except ValueError:  # Python writes no numbers of more than 4,300 digits
        return "a number of thousands of digits"


def shortened(text: str, most: int) -> str:
    """Text of so many characters at most."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
