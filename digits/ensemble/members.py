"""The members of a fusion: find their files, read them, check that the photos are the same."""

import glob
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from digits import resources
from digits.data.paths import path_text
from digits.detections import read_detections
from digits.ensemble.recipe import MemberInfo
from digits.ensemble.stored import FUSION
from digits.errors import DigitsError
from digits.types import Record

_MAX_DEPTH = 2  # folders below the one named that are searched


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
    records: list[Record]

    @property
    def info(self) -> MemberInfo:
        """Its name and what tells it from others: digests of weights and settings."""
        known = {k: self.header.get(k) for k in ("weights_sha256", "config_digest")}
        return {"name": self.name} | known


def find_files(value: object, name: str, key: str) -> list[Path]:
    """The files that an argument means.

    Args:
        value: a path, the name of a model that ships (`digits.resources`), a glob pattern, a folder
            (its files of that name and those up to two folders below, sorted by path), or a list
            of them.
        name: of the files to look for in folders.
        key: of the argument, for messages.

    Raises:
        DigitsError: nothing there, or a file twice.
    """
    files: list[Path] = []
    items = value if isinstance(value, list) else [] if value is None else [value]
    for item in items:
        text = path_text(key, item)
        if not text.strip():
            raise DigitsError(f"{key}=: nothing is named (a variable that is not set?).")
        path = resources.located(text) if key == "ckpt" else Path(text)
        if os.path.isdir(path):
            matches = sorted(p for d in range(_MAX_DEPTH + 1) for p in path.glob("*/" * d + name))
        elif glob.has_magic(text) and not os.path.exists(path):
            matches = sorted(map(Path, glob.glob(text, recursive=True)))
        else:
            matches = [path]
        near = get_close_matches(text, (*resources.SHIPPED, resources.ENSEMBLE), 1)
        if key == "ckpt" and matches == [path] and near and not os.path.exists(path):
            raise DigitsError(f"ckpt={text}: no such file; did you mean {near[0]}?")
        if not matches:
            raise DigitsError(
                f"{key}={item}: nothing there; expected a file, a folder that holds {name} (itself "
                "or up to two folders below), or a pattern that matches some."
            )
        files += matches
    twice = [str(p) for p, count in Counter(p.resolve() for p in files).items() if count > 1]
    if twice:
        raise DigitsError(f"{key}: {twice[0]} is given twice; name each member once.")
    return files


def read_members(paths: Sequence[Path]) -> list[Member]:
    """Members from their detections.json, photos in the order of the first.

    Raises:
        DigitsError: names the file that has other classes, another split, or other photos.
    """
    members: list[Member] = []
    for path, name in zip(paths, short_names(paths), strict=True):
        header, records = read_detections(path)
        if members:
            records = _aligned(path, header, records, paths[0], members[0])
        members.append(Member(name, header, records))
    return members


def _aligned(
    path: Path, header: dict[str, Any], records: list[Record], other: Path, first: Member
) -> list[Record]:
    if header.get("split") != first.header.get("split"):
        raise DigitsError(
            f"{path}: detections of split {header.get('split')!r}, but {other} is of "
            f"{first.header.get('split')!r}; fuse members on the same photos."
        )
    by_id = {record["image_id"]: record for record in records}
    wanted = [record["image_id"] for record in first.records]
    odd = sorted(set(by_id) ^ set(wanted))
    if odd:
        raise DigitsError(
            f"{path}: {len(records)} photos, but {other} has {len(wanted)}; {len(odd)} are in one "
            f"alone (image_id {odd[0]}): run predict.py on all."
        )
    for mine in first.records:
        theirs = by_id[mine["image_id"]]
        same_size = (mine["height"], mine["width"]) == (theirs["height"], theirs["width"])
        if mine["file_name"] != theirs["file_name"] or not same_size:
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
