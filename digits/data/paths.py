"""Paths in settings, the files below a folder, and image ids from file names."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from digits.errors import DigitsError


def path_text(key: str, value: object) -> str:
    """Check that a setting holds a path.

    Raises:
        DigitsError: it is not text; Hydra parses names such as 2023 and 2023_11 as numbers.
    """
    if not isinstance(value, str):
        number = isinstance(value, int | float)
        why = f"taken for a number; say {key}=./NAME" if number else "expected one path"
        raise DigitsError(f"{key}={value}: {why}.")
    if "\0" in value:
        raise DigitsError(f"{key}={value!r}: a NUL character, which no path has.")
    return value


def files_below(folder: Path) -> Iterator[str]:
    """The files of a folder and its subfolders, hidden ones left out, relative to it."""
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = os.path.relpath(where, folder)
        yield from (name if inside == "." else f"{inside}/{name}" for name in names)


def stem_id(path: str) -> int | None:
    """The `image_id` that a photo's file is named by, such as 7 of `a/007.png`.

    None where its stem is no decimal number, or one that may not fit into 64 bits.
    """
    stem = Path(path).stem
    return int(stem) if stem.isascii() and stem.isdecimal() and len(stem) < 19 else None


def stem_ids(paths: Iterable[str]) -> list[int] | None:
    """The ids that photos are named by; None unless all have one and all are different."""
    ids = [stem_id(path) for path in paths]
    known = [number for number in ids if number is not None]
    return known if len(set(known)) == len(ids) else None
