"""The one contract for targets and detections, and the one file that stages exchange.

A photo is a uint8 tensor `(3, H, W)`, RGB. Targets and detections are torchvision's dictionaries:
`boxes` float32 `(N, 4)`, xyxy in pixels of the original photo; `labels` int64 `(N,)` in 1..10,
where label = digit + 1 (0 is the background); detections add `scores` float32 `(N,)` in [0, 1],
highest first. `image_id` is an int. Other forms (COCO's xywh, HDF5) exist only at the borders.
"""

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_convert

from digits.errors import DigitsError

CLASS_NAMES = tuple("0123456789")
NUM_CLASSES = len(CLASS_NAMES) + 1  # the background is class 0
NO_NUMBER = "-1"  # what pred.csv holds for a photo without any digit


def number_of(labels: Tensor | Sequence[int]) -> str:
    """The digits of labels in the order given, as text: leading zeros stay."""
    return "".join(CLASS_NAMES[int(label) - 1] for label in labels)


def target_number(target: dict[str, Any]) -> str:
    """The number of a target: its digits from left to right, by x_min.

    That is the annotated order in 99.98 % of SVHN's photos.
    """
    return number_of(target["labels"][target["boxes"][:, 0].argsort(stable=True)])


def check_detections(detections: dict[str, Tensor], where: str) -> None:
    """Refuse detections that break the contract.

    Raises:
        DigitsError: names `where`, the field, and what was expected and got.
    """
    n = len(detections["boxes"])
    for field, shape in (("boxes", (n, 4)), ("scores", (n,)), ("labels", (n,))):
        if tuple(detections[field].shape) != shape:
            got = tuple(detections[field].shape)
            raise DigitsError(f"{where}: expected {field} of shape {shape}, got {got}.")
    boxes, scores, labels = (detections[k] for k in ("boxes", "scores", "labels"))
    if not torch.isfinite(boxes).all():
        raise DigitsError(f"{where}: expected finite boxes, got NaN or infinity.")
    if n and not (float(scores.min()) >= 0 and float(scores.max()) <= 1):
        raise DigitsError(
            f"{where}: expected scores in [0, 1], got {scores.min()}..{scores.max()}."
        )
    if n and not (int(labels.min()) >= 1 and int(labels.max()) < NUM_CLASSES):
        raise DigitsError(f"{where}: expected labels in 1..10, got {labels.min()}..{labels.max()}.")


@contextmanager
def atomic_write(path: Path) -> Iterator[TextIO]:
    """A text file that appears under its name only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Named at random: the jobs of a sweep may write one file at the same time.
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield file
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def detections_to_json(record: dict[str, Any]) -> dict[str, Any]:
    """One photo's detections as plain data, boxes rounded to 1/100 pixel, scores to 1e-5."""
    votes = {"votes": record["votes"].tolist()} if "votes" in record else {}
    return {
        "image_id": int(record["image_id"]),
        "file_name": record["file_name"],
        "height": int(record["height"]),
        "width": int(record["width"]),
        "boxes": [[round(v, 2) for v in box] for box in record["boxes"].tolist()],
        "scores": [round(v, 5) for v in record["scores"].tolist()],
        "labels": record["labels"].tolist(),
    } | votes


def detections_from_json(item: dict[str, Any], where: str = "detections") -> dict[str, Any]:
    """The inverse of `detections_to_json`, checked."""
    try:
        record = dict(item)
        # By way of numpy: torch reads lists of numbers several times slower.
        boxes = np.asarray(item["boxes"], dtype=np.float32).reshape(-1, 4)
        record["boxes"] = torch.from_numpy(boxes)
        record["scores"] = torch.from_numpy(np.asarray(item["scores"], dtype=np.float32))
        record["labels"] = torch.from_numpy(np.asarray(item["labels"], dtype=np.int64))
        if "votes" in item:
            record["votes"] = torch.from_numpy(np.asarray(item["votes"], dtype=np.float32))
        where = f"{where}, image_id {item['image_id']}"
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DigitsError(f"{where}: not a record of detections ({error!r}).") from error
    check_detections(record, where)
    return record


def read_detections(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read a `detections.json`.

    Returns:
        The header (checkpoint, config digest, split, class names) and a record per photo.

    Raises:
        DigitsError: the file is missing or is not a `detections.json`.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        header, photos = content["header"], content["photos"]
    except FileNotFoundError as error:
        raise DigitsError(f"{path}: no such file; `predict.py` writes detections.json.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DigitsError(
            f"{path}: not a detections.json (expected {{header, photos}}): {error!r}"
        ) from error
    return header, [detections_from_json(photo, str(path)) for photo in photos]


def write_detections(path: Path, header: dict[str, Any], records: Iterable[dict[str, Any]]) -> None:
    """Write a `detections.json`, photo by photo; it is there only when it is whole."""
    with atomic_write(path) as file:
        file.write(f'{{"header": {json.dumps(header)},\n"photos": [')
        for index, record in enumerate(records):
            file.write(("," if index else "") + "\n" + json.dumps(detections_to_json(record)))
        file.write("\n]}\n")


def to_coco_boxes(boxes: Tensor) -> list[list[float]]:
    """Boxes xyxy as COCO's `[x_min, y_min, width, height]`, rounded to 1/100 pixel."""
    xywh: Tensor = box_convert(boxes, "xyxy", "xywh")
    return [[round(v, 2) for v in box] for box in xywh.tolist()]
