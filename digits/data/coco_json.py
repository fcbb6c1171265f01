"""COCO JSON of digits to a few arrays, without an object per box on the way."""

import json
from array import array
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from digits.errors import DigitsError

_EXPECTED = "expected COCO JSON: {images: [...], annotations: [...], categories: [...]}"
_IMAGE = ("id", "file_name", "height", "width")
_ANNOTATION = ("image_id", "category_id", "bbox")


class Annotations(NamedTuple):
    """N photos by ascending id, and M boxes in the order of the file."""

    image_ids: np.ndarray
    """int64 `(N,)`."""
    file_names: np.ndarray
    """str `(N,)`."""
    sizes: np.ndarray
    """int32 `(N, 2)`: height and width in pixels."""
    owners: np.ndarray
    """int64 `(M,)`: the image id of each box."""
    labels: np.ndarray
    """int64 `(M,)`: category ids."""
    boxes: np.ndarray
    """float32 `(M, 4)`: x_min, y_min, width, height in pixels, as written."""

    def only(self, image_ids: np.ndarray) -> "Annotations":
        """Those of some photos."""
        photos, boxes = np.isin(self.image_ids, image_ids), np.isin(self.owners, image_ids)
        return Annotations(*(v[photos] for v in self[:3]), *(v[boxes] for v in self[3:]))


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


def refuse_duplicates(ids: Iterable[int], what: str, path: Path) -> None:
    """Raises DigitsError where an id occurs twice."""
    twice = [i for i, count in Counter(ids).items() if count > 1]
    if twice:
        raise DigitsError(f"{path}: {what} {twice[0]} occurs twice; ids must be unique.")


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
