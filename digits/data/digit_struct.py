"""Read digitStruct.mat, the annotations of SVHN (MATLAB v7.3, which is HDF5)."""

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
            names, boxes = (file["digitStruct"][key][()].ravel() for key in ("name", "bbox"))
            pairs = list(zip(names, boxes, strict=True))
            return [
                (_name(h5r.dereference(name, file.id)), _boxes(h5r.dereference(box, file.id)))
                for name, box in progress.track(pairs, description=f"Reading {path.name}")
            ]
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise DigitsError(
            f"{path} is not a whole digitStruct.mat of SVHN's full numbers ({error}). "
            f"Delete {path.parent} and run again to unpack it afresh."
        ) from error


def _name(data: h5d.DatasetID) -> str:
    # The storage bounds the number of elements: HDF5 itself does not check the buffer.
    buffer = np.zeros(data.get_storage_size(), dtype="<u2")
    data.read(h5s.ALL, h5s.ALL, buffer, h5t.NATIVE_UINT16)
    name = buffer.tobytes().decode("utf-16-le").rstrip("\0")
    if not re.fullmatch(r"\d+\.png", name):
        raise ValueError(f"photo named {name!r}, expected a number and .png")
    return name


def _boxes(group: h5py.h5g.GroupID) -> np.ndarray:
    columns = [h5d.open(group, field) for field in FIELDS]
    if columns[0].get_type().get_class() != h5t.REFERENCE:
        table = np.array([[_scalar(column) for column in columns]])
    else:
        references = np.empty(columns[0].shape, dtype=h5py.ref_dtype)
        rows = []
        for column in columns:
            if column.get_storage_size() != 8 * references.size:
                raise ValueError("boxes with fields of different lengths")
            column.read(h5s.ALL, h5s.ALL, references)
            rows.append([_scalar(h5r.dereference(ref, column)) for ref in references.flat])
        table = np.array(rows).T
    labels = table[:, 0].tolist()
    if not (LABELS.issuperset(labels) and np.isfinite(table).all()):
        raise ValueError(f"labels {labels} or a box out of range")
    return table


def _scalar(data: h5d.DatasetID) -> float:
    if data.get_storage_size() != 8:
        raise ValueError("a box value that is not one double")
    buffer = np.empty(8)  # room for eight one-byte values, should the file lie
    data.read(h5s.ALL, h5s.ALL, buffer, h5t.NATIVE_DOUBLE)
    return float(buffer[0])
