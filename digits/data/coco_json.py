"""Read COCO JSON into arrays, and write its entries."""

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType

from digits import shapes
from digits.data.annotations import Annotations, refuse_duplicates
from digits.data.categories import labels_by_category
from digits.data.rotation import turned
from digits.errors import DigitsError
from digits.misfits import Misfit, MisfitError
from digits.types import CLASS_NAMES

CATEGORIES = [{"id": label, "name": name} for label, name in enumerate(CLASS_NAMES, 1)]

# Some tools write 57.0: `_whole` refuses other fractions.
_Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float
_Side = Annotated[int, Meta(ge=1, le=10**6)] | Annotated[float, Meta(ge=1, le=10**6)]
_Flag = int | bool | None


class _Image(Struct, gc=False):
    id: _Id
    file_name: Annotated[str, Meta(min_length=1, max_length=1024)]
    height: _Side
    width: _Side
    bbox: UnsetType = UNSET  # boxes here would be lost


class _Attributes(Struct):
    rotation: float | None = None
    """Degrees, clockwise, by which CVAT turned the box about its centre."""


class _Annotation(Struct, gc=False):
    image_id: _Id
    category_id: _Id
    bbox: tuple[float, float, float, float]
    iscrowd: _Flag = 0
    ignore: _Flag = 0
    attributes: _Attributes | list[Any] | str | None = None


class _Category(Struct):
    id: _Id
    name: str | int


class _Coco(Struct):
    images: list[_Image]
    annotations: list[_Annotation] = []
    categories: list[_Category] | None = None


def read_coco(path: Path) -> Annotations:
    """Read an annotation file; category names decide the digits (`labels_by_category`).

    Groups (`iscrowd`) are left out and boxes with a `rotation` turned; notes say how many.

    Raises:
        DigitsError: missing, not of the declared shape, duplicate ids, names of photos that lead
            out of their folder, boxes of categories that are not digits.
    """
    content = _decoded(path)
    ids = _whole(content.images, "images", "id", path)
    refuse_duplicates(ids.tolist(), "image id", path)
    names = [image.file_name for image in content.images]
    for index, name in enumerate(names):
        if _leads_outside(name):
            raise DigitsError(
                f"{path}: images[{index}].file_name {name[:80]!r}: expected a path inside the "
                "folder of its photos."
            )
    sizes = [_whole(content.images, "images", side, path) for side in ("height", "width")]
    single = [a for a in content.annotations if not (a.iscrowd or a.ignore)]
    notes = []
    if groups := len(content.annotations) - len(single):
        notes.append(f"left out {groups} boxes of groups (iscrowd)")
    flat = chain.from_iterable(a.bbox for a in single)
    boxes = np.fromiter(flat, dtype=np.float64, count=4 * len(single)).reshape(-1, 4)
    rotation = np.array([_rotation(a) for a in single])
    if count := np.count_nonzero(rotation):
        boxes = turned(boxes, rotation)
        notes.append(f"turned {count} boxes by their rotation")
    order = np.argsort(ids, kind="stable")
    return Annotations(
        image_ids=ids[order],
        file_names=np.array(names, dtype=np.str_)[order],
        sizes=np.stack(sizes, axis=1).astype(np.int32)[order],
        owners=_whole(single, "annotations", "image_id", path),
        labels=_labels(single, content.categories or [], path),
        boxes=boxes.clip(-1e9, 1e9).astype(np.float32),
        notes=tuple(notes),
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


def _decoded(path: Path) -> _Coco:
    raw = shapes.read_file(path)
    encoding = json.detect_encoding(raw)  # some tools write UTF-16, or a byte order mark
    try:
        if encoding != "utf-8":
            raw = raw.decode(encoding).encode()
        if b"NaN" in raw or b"Infinity" in raw:  # Python writes them, though JSON has none
            return shapes.convert(json.loads(raw), _Coco, str(path))
        return shapes.decode(raw, _Coco, str(path))
    except MisfitError:
        raise
    except DigitsError as error:
        raise DigitsError(f"{str(error).rstrip('.')}; expected COCO JSON.") from error
    except (ValueError, RecursionError) as error:
        raise DigitsError(f"{path}: not JSON ({error}); expected COCO JSON.") from error


def _whole(items: Sequence[Struct], part: str, field: str, path: Path) -> np.ndarray:
    """int64 `(len(items),)` of a field of whole numbers."""
    values = [getattr(item, field) for item in items]
    if set(map(type, values)) - {int}:
        for index, value in enumerate(values):
            if not abs(value) <= 2**63 - 1 or int(value) != value:  # NaN too
                misfit = Misfit(f"{part}[{index}].{field}", "expected a whole number", repr(value))
                raise MisfitError(str(path), misfit)
        values = [int(value) for value in values]
    return np.array(values, dtype=np.int64)


def _labels(
    annotations: Sequence[_Annotation], categories: Sequence[_Category], path: Path
) -> np.ndarray:
    ids = _whole(categories, "categories", "id", path).tolist()
    refuse_duplicates(ids, "category id", path)
    names = {i: str(category.name) for i, category in zip(ids, categories, strict=True)}
    used, places = np.unique(
        _whole(annotations, "annotations", "category_id", path), return_inverse=True
    )
    labels = labels_by_category(names, used.tolist(), path)
    return np.array(list(labels.values()), dtype=np.int64)[places]


def _rotation(annotation: _Annotation) -> float:
    found = annotation.attributes
    return (found.rotation or 0.0) % 360 if isinstance(found, _Attributes) else 0.0


def _leads_outside(name: str) -> bool:
    above = ".." in name and ".." in PurePosixPath(name.replace("\\", "/")).parts
    return above or name[0] == "/" or "\0" in name
