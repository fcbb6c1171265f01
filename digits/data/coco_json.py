"""COCO JSON of digits: read into a few arrays, without an object per box; and its items written."""

import json
from array import array
from pathlib import Path
from typing import Any

import numpy as np

from digits.data.annotations import Annotations, refuse_duplicates
from digits.errors import DigitsError
from digits.types import CLASS_NAMES

CATEGORIES = [{"id": label, "name": name} for label, name in enumerate(CLASS_NAMES, 1)]
_EXPECTED = "expected COCO JSON: {images: [...], annotations: [...], categories: [...]}"
_IMAGE = ("id", "file_name", "height", "width")
_ANNOTATION = ("image_id", "category_id", "bbox")


def read_coco(path: Path) -> Annotations:
    """Read an annotation file.

    Raises:
        DigitsError: missing, not COCO JSON, duplicate ids, or categories that are not digits.
    """
    rows = _Rows()
    try:
        # Each object becomes numbers as soon as it is parsed: SVHN's extra has 730,000 of them.
        content = json.loads(path.read_bytes(), object_hook=rows.take)
        images, annotations = content["images"], content["annotations"]
        _refuse_incomplete(images, _IMAGE)
        _refuse_incomplete(annotations, _ANNOTATION)
        if (len(rows.names), len(rows.labels)) != (len(images), len(annotations)):
            raise ValueError("images or annotations outside their lists")
        names = {c["id"]: str(c["name"]) for c in content.get("categories", [])}
    except FileNotFoundError as error:
        raise DigitsError(f"{path}: no such annotation file.") from error
    except KeyError as error:
        raise DigitsError(f"{path}: field {error} is missing; {_EXPECTED}.") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DigitsError(f"{path}: {error}; {_EXPECTED}.") from error
    odd = [i for i, name in names.items() if name.isdecimal() and name != str(i - 1)]
    if odd:
        raise DigitsError(
            f"{path}: category {odd[0]} is named {names[odd[0]]!r}; expected category 1 to be "
            "digit 0 and so on (digit = category_id - 1): renumber the categories."
        )
    refuse_duplicates(rows.ids, "image id", path)
    ids = np.array(rows.ids)
    order = np.argsort(ids, kind="stable")
    return Annotations(
        image_ids=ids[order],
        file_names=np.array(rows.names, dtype=np.str_)[order],
        sizes=np.array(rows.sizes, dtype=np.int32).reshape(-1, 2)[order],
        owners=np.array(rows.owners),
        labels=np.array(rows.labels),
        boxes=np.array(rows.boxes).reshape(-1, 4),
    )


def image_entry(image_id: int, file_name: str, height: int, width: int) -> dict[str, object]:
    """An item of `images`; height and width in pixels."""
    return {"id": image_id, "file_name": file_name, "height": height, "width": width}


def annotation_entry(
    number: int, image_id: int, label: int, bbox: list[float]
) -> dict[str, object]:
    """An item of `annotations`; bbox: x_min, y_min, width, height in pixels."""
    return {
        "id": number,
        "image_id": image_id,
        "bbox": bbox,
        "area": bbox[2] * bbox[3],
        "category_id": label,
        "iscrowd": 0,
    }


class _Rows:
    """Takes images and annotations out of the JSON while it is parsed."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.ids, self.sizes = array("q"), array("q")
        self.owners, self.labels, self.boxes = array("q"), array("q"), array("f")

    def take(self, item: dict[str, Any]) -> dict[str, Any] | None:
        if all(name in item for name in _ANNOTATION):
            x, y, width, height = item["bbox"]
            self.owners.append(_integer(item["image_id"]))
            self.labels.append(_integer(item["category_id"]))
            self.boxes.extend((x, y, width, height))
            return None
        if all(name in item for name in _IMAGE):
            self.names.append(item["file_name"] + "")
            self.ids.append(_integer(item["id"]))
            self.sizes.extend((_integer(item["height"]), _integer(item["width"])))
            return None
        return item  # the whole, a category, or one that lacks a field


def _integer(value: Any) -> int:
    return int(value + 0)  # some tools write 57.0; a string is a TypeError here


def _refuse_incomplete(items: list[Any], fields: tuple[str, ...]) -> None:
    for item in items:
        if item is not None:
            _ = [item[field] for field in fields]
