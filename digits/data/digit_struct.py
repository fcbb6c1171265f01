"""Read digitStruct.mat, the annotations of SVHN (MATLAB v7.3, which is HDF5)."""

import math
import re
from pathlib import Path

import h5py
import numpy as np
from h5py import h5d, h5r, h5s, h5t
from rich import progress

from digits.errors import DigitsError
from digits.shapes import check_file

FIELDS = (b"label", b"left", b"top", b"width", b"height")
_LARGEST = 1 << 33  # bytes
_MAX_COUNTS = {"photos": 10**6, "boxes of a photo": 10**4, "letters of a name": 10**3}
_ONE = h5s.create_simple((1,))
LABELS = frozenset(range(1, 11))  # 10 is digit 0


def read_digit_struct(path: Path) -> list[tuple[str, np.ndarray]]:
    """Read the annotations of all photos, in the order of the file.

    Every number is an HDF5 object of its own, half a million in SVHN's train: about a minute, and
    five with h5py's indexing instead of its low-level interface.

    Returns:
        Per photo its file name and a float64 `(N, 5)`: label (1..10, 10 is digit 0), left, top,
        width, height in pixels.

    Raises:
        DigitsError: `path` is not a digitStruct.mat.
    """
    check_file(path, _LARGEST)
    try:
        with h5py.File(path, "r") as file:
            tables = [file["digitStruct"][key] for key in ("name", "bbox")]
            for table in tables:
                _bounded(table.size, "photos")
            names, boxes = (table[()].ravel() for table in tables)
            pairs = list(zip(names, boxes, strict=True))
            return [
                (_name(h5r.dereference(name, file.id)), _boxes(h5r.dereference(box, file.id)))
                for name, box in progress.track(pairs, description=f"Reading {path.name}")
            ]
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        raise DigitsError(
            f"{path} is not a whole digitStruct.mat of SVHN's full numbers ({error}); take it from "
            "SVHN's archive again."
        ) from error


def _bounded(count: int, what: str) -> int:
    """Raises ValueError of a number that no such file has; a small file can claim it."""
    if count > _MAX_COUNTS[what]:
        raise ValueError(f"{count} {what}")
    return count


# HDF5 does not know how large a buffer is. What is told of the memory (`h5s.create_simple`) it
# holds against the elements of the file.


def _name(data: h5d.DatasetID) -> str:
    count = _bounded(math.prod(data.shape), "letters of a name")
    buffer = np.zeros(count, dtype="<u2")
    data.read(h5s.create_simple((count,)), h5s.ALL, buffer, h5t.NATIVE_UINT16)
    name = buffer.tobytes().decode("utf-16-le").rstrip("\0")
    if not re.fullmatch(r"\d+\.png", name):
        raise ValueError(f"photo named {name!r}, expected a number and .png")
    return name


def _boxes(group: h5py.h5g.GroupID) -> np.ndarray:
    columns = [h5d.open(group, field) for field in FIELDS]
    if columns[0].get_type().get_class() != h5t.REFERENCE:
        table = np.array([[_scalar(column) for column in columns]])
    else:
        count = _bounded(math.prod(columns[0].shape), "boxes of a photo")
        references = np.empty(count, dtype=h5py.ref_dtype)
        memory = h5s.create_simple((count,))
        rows = []
        for column in columns:
            if math.prod(column.shape) != count:
                raise ValueError("boxes with fields of different lengths")
            column.read(memory, column.get_space(), references)
            rows.append([_scalar(h5r.dereference(ref, column)) for ref in references])
        table = np.array(rows).T
    labels = table[:, 0].tolist()
    if not (LABELS.issuperset(labels) and np.isfinite(table).all()):
        raise ValueError(f"labels {labels} or a box out of range")
    return table


def _scalar(data: h5d.DatasetID) -> float:
    buffer = np.empty(1)
    data.read(_ONE, h5s.ALL, buffer, h5t.NATIVE_DOUBLE)
    return float(buffer[0])
