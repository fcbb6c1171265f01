"""Read and validate detections.json."""

import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from msgspec import UNSET

from digits.console import console
from digits.detections.schema import File, Headed, Photo
from digits.errors import DigitsError
from digits.geometry import by_score
from digits.misfits import Misfit, MisfitError
from digits.shapes import convert, decode_file
from digits.types import CLASS_NAMES, MAX_BOXES, Record

LIMIT = 512 << 20  # bytes; a detector writes 40 MB of 13,068 photos
OUTSIDE = 0.1  # share of the photo's side, and
OUTSIDE_PIXELS = 2  # pixels, that a box may reach beyond its photo


def read_detections(path: Path) -> tuple[dict[str, Any], list[Record]]:
    """Read a `detections.json`.

    Of more than 300 boxes in a photo the surest are taken, and a line says so.

    Returns:
        The header (checkpoint, config digest, split, class names) and a record per photo.

    Raises:
        DigitsError: the file is missing, is not a `detections.json`, or is of other classes; says
            where a value is not what it has to be.
    """
    if not os.path.exists(path):
        raise DigitsError(f"{path}: no such file; `predict.py` writes detections.json.")
    try:
        content = decode_file(path, File, LIMIT)
        header = convert({"header": content.header}, Headed).header
        records = _records(content.photos)
    except MisfitError as error:
        raise DigitsError(f"{path}: not a detections.json: {error.misfit}.") from error
    if header.class_names != CLASS_NAMES:
        raise DigitsError(
            f"{path}: expected the classes {list(CLASS_NAMES)}, got {list(header.class_names)}."
        )
    many = sum(len(photo.boxes) > MAX_BOXES for photo in content.photos)
    if many:
        console.print(
            f"{path}: {many} photos have more than {MAX_BOXES} boxes; the surest {MAX_BOXES} of "
            "each are used."
        )
    return content.header, records


def _records(photos: Sequence[Photo]) -> list[Record]:
    """Photos as records; all boxes are looked at at once, for there may be a million.

    Raises:
        MisfitError: an image_id twice, a box that is inside out or not in its photo.
    """
    counts = np.array([len(photo.boxes) for photo in photos], dtype=np.int64)
    sizes = np.array([(photo.width, photo.height) for photo in photos], dtype=np.float64)
    numbers = chain.from_iterable(chain.from_iterable(photo.boxes for photo in photos))
    boxes = np.fromiter(numbers, np.float64, 4 * counts.sum()).reshape(-1, 4)
    _check_ids(photos)
    _check_boxes(boxes, counts, sizes.reshape(-1, 2))
    scores = np.fromiter(chain.from_iterable(p.scores for p in photos), np.float32)
    labels = np.fromiter(chain.from_iterable(p.labels for p in photos), np.int64)
    ends = counts.cumsum().tolist()
    parts = zip([0, *ends], ends, strict=False)
    return [
        _record(photo, boxes[a:b].astype(np.float32), scores[a:b], labels[a:b])
        for photo, (a, b) in zip(photos, parts, strict=True)
    ]


def _record(photo: Photo, boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> Record:
    votes = None if photo.votes is UNSET else np.array(photo.votes, dtype=np.float32)
    if len(boxes) > MAX_BOXES:
        surest = by_score(boxes, scores, labels)[:MAX_BOXES]
        boxes, scores, labels = boxes[surest], scores[surest], labels[surest]
        votes = None if votes is None else votes[surest]
    record: Record = {
        "image_id": photo.image_id,
        "file_name": photo.file_name,
        "height": photo.height,
        "width": photo.width,
        "boxes": torch.from_numpy(boxes),
        "scores": torch.from_numpy(scores),
        "labels": torch.from_numpy(labels),
    }
    if votes is not None:
        record["votes"] = torch.from_numpy(votes)
    if photo.rows is not UNSET:
        record["rows"] = [{**row} for row in photo.rows]
    return record


def _check_ids(photos: Sequence[Photo]) -> None:
    seen: set[int] = set()
    for index, photo in enumerate(photos):
        if photo.image_id in seen:
            expected = "expected an id per photo, all different"
            raise MisfitError(
                "", Misfit(f"photos[{index}].image_id", expected, str(photo.image_id))
            )
        seen.add(photo.image_id)


def _check_boxes(boxes: np.ndarray, counts: np.ndarray, sizes: np.ndarray) -> None:
    owners = np.repeat(np.arange(len(counts)), counts)
    size = sizes[owners]
    spare = OUTSIDE * size + OUTSIDE_PIXELS
    inside_out = (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
    outside = ((boxes[:, :2] < -spare) | (boxes[:, 2:] > size + spare)).any(axis=1)
    for wrong, expected in (
        (inside_out, "expected x_min, y_min, x_max, y_max with x_min <= x_max, y_min <= y_max"),
        (outside, "expected a box within its photo of {} x {} pixels"),
    ):
        if wrong.any():
            index = int(wrong.argmax())
            photo = int(owners[index])
            number = index - int(counts[:photo].sum())
            width, height = sizes[photo].astype(int).tolist()
            raise MisfitError(
                "",
                Misfit(
                    f"photos[{photo}].boxes[{number}]",
                    expected.format(width, height),
                    str(boxes[index].tolist()),
                ),
            )
