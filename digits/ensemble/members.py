"""The members of a fusion: found on the disk, read, and held to the same photos."""

import glob
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digits.ensemble.recipe import FUSION
from digits.errors import DigitsError
from digits.io import read_detections
from digits.types import CLASS_NAMES

_DEPTH = 2  # folders below the one named that are searched


@dataclass(frozen=True)
class Member:
    """Detections of one origin.

    Attributes:
        name: short, for people.
        header: of its detections.json.
        records: of its photos.
    """

    name: str
    header: dict[str, Any]
    records: list[dict[str, Any]]

    @property
    def about(self) -> dict[str, Any]:
        """Its name and what tells it from others: digests of weights and settings."""
        known = {k: self.header.get(k) for k in ("weights_sha256", "config_digest")}
        return {"name": self.name} | known


def find(value: str | Sequence[str] | None, name: str, key: str) -> list[Path]:
    """The files that an argument means.

    Args:
        value: a path, a glob pattern, a folder (its files of that name and those up to two
            folders below, sorted by path), or a list of them.
        name: of the files to look for in folders.
        key: of the argument, for messages.

    Raises:
        DigitsError: nothing there, or a file twice.
    """
    found: list[Path] = []
    items = [value] if isinstance(value, str | int | float) else value or []
    for item in items:
        if not isinstance(item, str):  # Hydra takes 2023 for a number
            raise DigitsError(f"{key}={item}: taken for a number; say {key}=./NAME.")
        path = Path(item)
        if path.is_dir():
            some = sorted(p for d in range(_DEPTH + 1) for p in path.glob("*/" * d + name))
        elif glob.has_magic(item) and not path.exists():
            some = sorted(map(Path, glob.glob(item, recursive=True)))
        else:
            some = [path]
        if not some:
            raise DigitsError(
                f"{key}={item}: nothing there; expected a file, a folder that holds {name} (itself "
                "or up to two folders below), or a pattern that matches some."
            )
        found += some
    twice = [str(p) for p, count in Counter(p.resolve() for p in found).items() if count > 1]
    if twice:
        raise DigitsError(f"{key}: {twice[0]} is given twice; name each member once.")
    return found


def read_members(paths: Sequence[Path]) -> list[Member]:
    """Members from their detections.json, photos in the order of the first.

    Raises:
        DigitsError: names the file that has other classes, another split, or other photos.
    """
    members: list[Member] = []
    for path, name in zip(paths, short_names(paths), strict=True):
        header, records = read_detections(path)
        if header.get("class_names") != list(CLASS_NAMES):
            got = header.get("class_names")
            raise DigitsError(f"{path}: expected the classes {list(CLASS_NAMES)}, got {got}.")
        if members:
            records = _aligned(path, header, records, paths[0], members[0])
        members.append(Member(name, header, records))
    return members


def _aligned(
    path: Path, header: dict[str, Any], records: list[dict[str, Any]], other: Path, first: Member
) -> list[dict[str, Any]]:
    if header.get("split") != first.header.get("split"):
        raise DigitsError(
            f"{path}: detections of split {header.get('split')!r}, but {other} is of "
            f"{first.header.get('split')!r}; fuse members on the same photos."
        )
    by_id = {record["image_id"]: record for record in records}
    wanted = [record["image_id"] for record in first.records]
    odd = sorted(set(by_id) ^ set(wanted))
    if odd or len(by_id) != len(records):
        raise DigitsError(
            f"{path}: {len(records)} photos, but {other} has {len(wanted)}; {len(odd)} are in one "
            f"alone (image_id {odd[0] if odd else 'given twice'}): run predict.py on all."
        )
    for mine in first.records:
        theirs = by_id[mine["image_id"]]
        if any(mine[k] != theirs[k] for k in ("file_name", "height", "width")):
            raise DigitsError(
                f"{path}: image_id {mine['image_id']} is another photo there than in {other} "
                f"({theirs['file_name']}, {theirs['width']} x {theirs['height']}, not "
                f"{mine['file_name']}, {mine['width']} x {mine['height']})."
            )
    return [by_id[image_id] for image_id in wanted]


def short_names(paths: Sequence[Path]) -> list[str]:
    """The folder of each file; the path where folders have the same name."""
    folders = [path.absolute().parent.name or str(path) for path in paths]
    clear = len(set(folders)) == len(folders) and FUSION not in folders
    return folders if clear else [str(path) for path in paths]
