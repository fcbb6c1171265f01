"""Write detections.json, photo by photo."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from digits.io import atomic_write
from digits.types import Record, RowTexts

if TYPE_CHECKING:
    from torch import Tensor


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
        "boxes": _rounded(record["boxes"], 2),
        "scores": scores,
        "labels": labels,
    } | more


def scores_and_labels(record: Record) -> tuple[list[float], list[int]]:
    """As files hold them: scores rounded to 1e-5."""
    return _rounded(record["scores"], 5), record["labels"].tolist()


def _row_to_json(row: RowTexts) -> RowTexts:
    return {
        "boxes": _rounded(row["boxes"], 2),
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
    return _rounded(xywh, 2)


def _rounded(values: "Tensor | np.ndarray | list[Any]", decimals: int) -> list[Any]:
    exact = np.asarray(values, dtype=np.float64)  # float32 would end in other digits
    plain: list[Any] = exact.round(decimals).tolist()
    return plain
