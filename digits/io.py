"""Write files atomically."""

import errno
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from digits.errors import DigitsError

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


@contextmanager
def partial_path(path: Path) -> Iterator[Path]:
    """A path to write to; what is there is renamed to `path` when the block ends without an error.

    Nothing is left behind when it does not, and what lay at `path` stays. Named at random: the jobs
    of a sweep may write one file at the same time.

    Raises:
        DigitsError: a full disk, or a folder that cannot be written.
    """
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OSError as error:
        # A full disk is told without a name; other files may be read meanwhile.
        named = [Path(os.fsdecode(n)) for n in (error.filename, error.filename2) if n is not None]
        ours = {partial, path, *path.parents} & {*named} if named else error.errno in _FULL
        if not ours:
            raise
        raise DigitsError(
            f"{path}: cannot be written ({error.strerror}); free some space, or write elsewhere."
        ) from error
    finally:
        with suppress(OSError):  # a disk that went read-only
            partial.unlink()


@contextmanager
def atomic_write(path: Path) -> Iterator[TextIO]:
    """A text file that appears under its name only when it is complete.

    Bytes of file names that are no UTF-8, which Python holds as surrogates, are escaped.
    """
    with (
        partial_path(path) as partial,
        partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        yield file


def png_path(text: str) -> Path:
    """A path on the command line where a picture is to go.

    Raises:
        DigitsError: it does not end in .png; a file of another kind would be overwritten.
    """
    if not text.lower().endswith(".png"):
        raise DigitsError(f"{text}: a picture is written there; expected a name that ends in .png.")
    return Path(text)


def write_json(path: Path, content: object) -> None:
    """Write plain data as JSON, atomically."""
    with atomic_write(path) as file:
        json.dump(content, file, indent=2)
        file.write("\n")


def csv_cell(value: object) -> object:
    """A value for a CSV file that no spreadsheet takes for a formula.

    Text that begins like one (`=`, `+`, `-`, `@`) gets a `'` before it; numbers stay as they are.
    """
    text = str(value)
    if not text.startswith(_FORMULA):
        return value
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return value
