"""Outside data held to declared shapes (msgspec's Structs): one line says what does not fit.

Types are not coerced: neither text nor `true` is a number, `1.0` is no whole one. NaN and infinity
are no numbers in JSON; declare `Finite` where the values do not come from a file.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from digits.errors import DigitsError

Shape = TypeVar("Shape")

_LARGEST = 1.7976931348623157e308
Finite = Annotated[float, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]
"""Any number but NaN and infinity."""

LIMIT = 1 << 28  # bytes of a file
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


def read_file(path: Path, limit: int = LIMIT) -> bytes:
    """The content of a regular file; devices and pipes, which may never end, are not opened.

    Raises:
        DigitsError: no such file, not a regular one, larger than the limit, or unreadable.
    """
    check_file(path, limit)
    try:
        with path.open("rb") as file:
            # Python takes as much memory as it is asked to read, so first the size that is told.
            size = min(os.fstat(file.fileno()).st_size, limit)
            content = file.read(size + 1)
            if len(content) > size:
                content += file.read(limit + 1 - len(content))
    except OSError as error:
        raise DigitsError(f"{path}: cannot be read ({error.strerror or error}).") from error
    if len(content) > limit:  # grew meanwhile, or of a kind that tells no size
        raise _too_large(path, limit)
    return content


def check_file(path: Path, limit: int = LIMIT) -> None:
    """Refuse what is not a regular file of a bounded size.

    Raises:
        DigitsError: as `read_file`.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        reason = "no such file" if missing else f"cannot be read ({error})"
        raise DigitsError(f"{path}: {reason}.") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, a device or a socket"
        raise DigitsError(f"{path}: expected a file, got {kind}.")
    if status.st_size > limit:
        raise _too_large(path, limit)


def _too_large(path: Path, limit: int) -> DigitsError:
    return DigitsError(f"{path}: larger than {limit / 2**20:,.0f} MiB, which no such file is.")


def decode_file(path: Path, shape: type[Shape], limit: int = LIMIT) -> Shape:
    """Read a JSON file of a declared shape.

    Args:
        path: of the file, UTF-8.
        shape: what it holds: a Struct, or any type that msgspec knows.
        limit: bytes that the file may have.

    Raises:
        DigitsError: as `read_file`; not JSON; or a `MisfitError`, with the path inside the file.
    """
    return decode(read_file(path, limit), shape, str(path))


def decode(content: bytes, shape: type[Shape], where: str) -> Shape:
    """Read JSON of a declared shape: UTF-8, with or without a byte order mark.

    Raises:
        DigitsError: not JSON; or a `MisfitError`, with the path inside the content.
    """
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return msgspec.json.decode(content, type=shape)
    except msgspec.ValidationError as error:
        try:
            plain = msgspec.json.decode(content)
        except (ValueError, RecursionError):
            plain = None
        raise MisfitError(where, misfit_of(error, plain)) from error
    except (ValueError, RecursionError) as error:  # malformed JSON or text
        at = re.search(r"\(byte (\d+)\)", str(error))
        word = re.match(rb"NaN|Infinity", content[int(at[1]) :]) if at else None
        reason = f"{word[0].decode()} at byte {at[1]}; numbers are finite" if at and word else error
        raise DigitsError(f"{where}: not JSON ({reason}).") from error


def convert(value: object, shape: type[Shape], where: str = "") -> Shape:
    """Hold plain data to a declared shape.

    Args:
        value: numbers, text, lists and dictionaries.
        shape: a Struct, or any type that msgspec knows.
        where: the data came from, for messages.

    Raises:
        MisfitError: says where it does not fit.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise MisfitError(where, misfit_of(error, value)) from error
    except RecursionError as error:
        raise MisfitError(where, Misfit("", "expected fewer lists within lists")) from error


def check_plain(value: object, where: str, depth: int = 24, most: int = 200_000) -> None:
    """Refuse whatever is not numbers, text, lists and dictionaries, and too much of these.

    Data with references can name one list a million times, so that it is small and endless.

    Args:
        value: the data.
        where: it came from, for messages.
        depth: of lists within lists.
        most: values in all.

    Raises:
        DigitsError: says what is wrong.
    """
    level: list[object] = [value]
    while level:
        inside: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inside += [*item.keys(), *item.values()]
            elif isinstance(item, list | tuple):
                inside += item
            elif not (item is None or isinstance(item, bool | int | float | str)):
                raise DigitsError(
                    f"{where}: a {type(item).__name__} in it; expected numbers, text, lists and "
                    "dictionaries."
                )
            most -= 1
            if most < 0 or len(inside) > most:
                raise DigitsError(f"{where}: more data than any such file has.")
        level, depth = inside, depth - 1
        if level and depth < 0:
            raise DigitsError(f"{where}: lists nested too deeply.")


def misfit_of(error: msgspec.ValidationError, value: object) -> Misfit:
    """What msgspec says of data, in words, with the value that it speaks of."""
    text, _, path = str(error).partition(" - at ")
    path = path.strip("`").removeprefix("$").removeprefix(".")
    if path.startswith("key` in"):
        path = path.rpartition("`$")[2].removeprefix(".")
        return Misfit(path, "expected names that are text")
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
