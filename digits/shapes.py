"""Validate data from files against declared schemas (msgspec's Structs).

Types are not coerced: neither text nor `true` is a number, `1.0` is no whole one. NaN and infinity
are no numbers in JSON; declare `Finite` where the values do not come from a file.
"""

import os
import re
import stat
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from digits.errors import DigitsError
from digits.misfits import Misfit, MisfitError, misfit_of

Shape = TypeVar("Shape")

_LARGEST = 1.7976931348623157e308
Finite = Annotated[float, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]
"""Any number but NaN and infinity."""

LIMIT = 1 << 28  # bytes of a file
_DEPTH, _MOST = 24, 200_000  # of plain data: lists within lists, and values in all


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
        why = getattr(error, "strerror", None) or error
        reason = "no such file" if missing else f"cannot be read ({why})"
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
        except (msgspec.ValidationError, RecursionError):  # a number too large, lists too deep
            plain = msgspec.UNSET
        except ValueError as worse:
            raise _malformed(content, where, worse) from error
        raise MisfitError(where, misfit_of(error, plain)) from error
    except (ValueError, RecursionError) as error:
        raise _malformed(content, where, error) from error


def _malformed(content: bytes, where: str, error: Exception) -> DigitsError:
    at = re.search(r"\(byte (\d+)\)", str(error))
    word = re.match(rb"NaN|Infinity", content[int(at[1]) :]) if at else None
    reason = f"{word[0].decode()} at byte {at[1]}; numbers are finite" if at and word else error
    return DigitsError(f"{where}: not JSON ({reason}).")


def convert(value: object, shape: type[Shape], where: str = "") -> Shape:
    """Validate plain data against a declared schema.

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


def check_plain(value: object, where: str) -> None:
    """Refuse whatever is not numbers, text, lists and dictionaries, and too much of these.

    Data with references can name one list a million times, so that it is small and endless.

    Args:
        value: the data.
        where: it came from, for messages.

    Raises:
        DigitsError: says what is wrong.
    """
    level: list[object] = [value]
    depth, most = _DEPTH, _MOST
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
