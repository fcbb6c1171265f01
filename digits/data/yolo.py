"""Read data sets in the YOLO format: data.yaml and a text file of labels per photo."""

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml
from msgspec import Struct

from digits import shapes
from digits.data.annotated import AnnotatedPhotos
from digits.data.annotations import Annotations
from digits.data.categories import labels_by_category
from digits.data.formats import is_photo
from digits.data.paths import files_below, stem_ids
from digits.data.photos import photo_size
from digits.data.yolo_lines import read_boxes
from digits.errors import DigitsError, one_line

_KEYS = {"train": ("train",), "valid": ("val", "valid"), "test": ("test",)}
_MAX_BYTES = 1 << 20  # bytes of a data.yaml


class _DataYaml(Struct):
    names: list[str | int] | dict[int, str | int]
    path: str | None = None
    train: str | None = None
    val: str | None = None
    valid: str | None = None
    test: str | None = None


def yolo_file(root: Path) -> Path | None:
    """The `data.yaml` of a YOLO folder, `None` where there is none."""
    found = (root / name for name in ("data.yaml", "data.yml", "dataset.yaml"))
    return next((path for path in found if path.is_file()), None)


def yolo_split(path: Path, split: str) -> str | None:
    """What a `data.yaml` says of a split: its folder of photos; `None` where it has none."""
    return _listed(_read_yaml(path), split)


def open_yolo(path: Path, split: str) -> AnnotatedPhotos:
    """Open train, valid or test of the data set that a `data.yaml` describes.

    Labels lie in `labels/` where photos lie in `images/` (`images/train`, `labels/train` or
    `train/images`, `train/labels`), or beside the photos. A line is a class and four shares
    (centre, width, height), or a class and the corners of a polygon, whose upright hull is taken.
    A photo without such a file has no digits. Ids are the file stems where all are different
    numbers, else positions by name.

    Args:
        path: of the data.yaml; `names` says which digit a class is.
        split: train, valid (`val`) or test.

    Raises:
        DigitsError: a data.yaml or a line of another form, no such split, unreadable photos.
    """
    content = _read_yaml(path)
    folder = _photo_folder(path, content, split)
    names = sorted(_photos_below(folder), key=lambda name: (len(name), name))
    if not names:
        raise DigitsError(f"{path}: no photos in {folder}, its folder of split {split}.")
    labels = _label_folder(folder)
    texts = {_stem(name): labels / name for name in files_below(labels) if name.endswith(".txt")}
    rows: list[tuple[float, ...]] = []  # position of the photo, class, box in pixels
    sizes = np.zeros((len(names), 2), dtype=np.int32)
    found = 0
    for place, name in enumerate(names):
        sizes[place] = height, width = photo_size(folder / name)
        if text := texts.get(_stem(name)):
            found += 1
            rows += ((place, *row) for row in read_boxes(text, width, height))
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    classes = content.names if isinstance(content.names, dict) else dict(enumerate(content.names))
    for place, number in table[:, :2].astype(np.int64).tolist():
        if number not in classes:
            raise DigitsError(
                f"{texts[_stem(names[place])]}: class {number} is not among the names of {path} "
                f"({', '.join(map(str, sorted(classes)[:12]))})."
            )
    used, places = np.unique(table[:, 1].astype(np.int64), return_inverse=True)
    digits = labels_by_category({i: str(name) for i, name in classes.items()}, used.tolist(), path)
    stems = stem_ids(names)
    ids = np.arange(1, len(names) + 1) if stems is None else np.array(stems, dtype=np.int64)
    missing = len(names) - found
    notes = (f"{missing} of {len(names)} photos of {split} have no file in {labels}: taken as "
             "without digits",) if found and missing else ()  # fmt: skip
    order = np.argsort(ids, kind="stable")
    annotations = Annotations(
        image_ids=ids[order],
        file_names=np.array(names, dtype=np.str_)[order],
        sizes=sizes[order],
        owners=ids[table[:, 0].astype(np.int64)],
        labels=np.array(list(digits.values()), dtype=np.int64)[places],
        boxes=table[:, 2:].astype(np.float32),
        notes=notes,
    )
    return AnnotatedPhotos(folder, annotations, path, labelled=found > 0)


def _read_yaml(path: Path) -> _DataYaml:
    try:
        content = yaml.safe_load(shapes.read_file(path, _MAX_BYTES))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = one_line(error)[:200]
        raise DigitsError(f"{path}: not YAML ({reason}).") from error
    return shapes.convert(content, _DataYaml, str(path))


def _listed(content: _DataYaml, split: str) -> str | None:
    return next((v for key in _KEYS.get(split, ()) if (v := getattr(content, key))), None)


def _photo_folder(path: Path, content: _DataYaml, split: str) -> Path:
    listed, key = _listed(content, split), _KEYS.get(split, (split,))[0]
    if listed is None:
        raise DigitsError(f"{path}: has no {key!r}, the folder of photos of split {split}.")
    here = path.parent
    # Roboflow writes ../train/images of what lies beside; `path` may be another machine's.
    inside = listed.replace("\\", "/")
    while inside.startswith("../"):
        inside = inside[3:]
    tries = [here / (content.path or "") / listed, here / inside]
    for folder in tries:
        if folder.is_dir():
            return folder
    raise DigitsError(f"{path}: {key}: {listed!r}: no folder {tries[-1]}; expected photos there.")


def _label_folder(photos: Path) -> Path:
    parts = list(photos.parts)
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            return Path(*parts)
    return photos


def _photos_below(folder: Path) -> Iterator[str]:
    return (name for name in files_below(folder) if is_photo(os.path.basename(name)))


def _stem(name: str) -> str:
    return unicodedata.normalize("NFC", os.path.splitext(name)[0])
