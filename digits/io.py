"""Write files atomically, and write detections.json."""

import errno
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from digits.errors import DigitsError
from digits.types import Record, RowTexts

if TYPE_CHECKING:
    from torch import Tensor

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
        named = error.filename is not None and Path(os.fsdecode(error.filename))
        ours = named in (partial, path, *path.parents) if named else error.errno in _FULL
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
    """A text file that appears under its name only when it is complete."""
    with partial_path(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        yield file


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


def detections_to_json(record: Record) -> dict[str, Any]:
    """One photo's detections as plain data, boxes rounded to 1/100 pixel, scores to 1e-5."""
    more: dict[str, Any] = {"votes": record["votes"].tolist()} if "votes" in record else {}
    if "rows" in record:
        more["rows"] = [_row_to_json(row) for row in record["rows"]]
    scores, labels = scores_and_labels(record)
    return {
        "image_id": int(record["image_id"]),
        "file_name": record["file_name"],
        "height": int(record["height"]),
        "width": int(record["width"]),
        "boxes": [[round(v, 2) for v in box] for box in record["boxes"].tolist()],
        "scores": scores,
        "labels": labels,
    } | more


def scores_and_labels(record: Record) -> tuple[list[float], list[int]]:
    """As files hold them: scores rounded to 1e-5."""
    return [round(v, 5) for v in record["scores"].tolist()], record["labels"].tolist()


def _row_to_json(row: RowTexts) -> RowTexts:
    return {
        "boxes": [[round(v, 2) for v in box] for box in row["boxes"]],
        "weight": round(row["weight"], 3),
        "texts": {text: round(value, 3) for text, value in row["texts"].items()},
    }


class DetectionsWriter:
    """Streams a `detections.json` into an open file, photo by photo.

    Args:
        file: text, from `atomic_write`.
        header: where the detections come from.
    """

    def __init__(self, file: TextIO, header: dict[str, Any]) -> None:
        self._file = file
        self._separator = "\n"
        file.write(f'{{"header": {json.dumps(header)},\n"photos": [')

    def add(self, record: Record) -> dict[str, Any]:
        """Write a photo; returns it as plain data."""
        photo = detections_to_json(record)
        self._file.write(self._separator + json.dumps(photo))
        self._separator = ",\n"
        return photo

    def close(self) -> None:
        """End the JSON; the file stays open."""
        self._file.write("\n]}\n")


def write_detections(path: Path, header: dict[str, Any], records: Iterable[Record]) -> None:
    """Write a `detections.json`, photo by photo; it is there only when it is whole."""
    with atomic_write(path) as file:
        writer = DetectionsWriter(file, header)
        for record in records:
            writer.add(record)
        writer.close()


def to_coco_boxes(boxes: "Tensor") -> list[list[float]]:
    """Boxes xyxy as COCO's `[x_min, y_min, width, height]`, rounded to 1/100 pixel."""
    corners = np.asarray(boxes)
    xywh = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    return [[round(v, 2) for v in box] for box in xywh.tolist()]
