"""Torch files: checked before they are unpacked, read without running code, written atomically.

A file of torch is an archive of records, stored as they are, each with its CRC-32; what this module
writes also ends with a SHA-256 of the whole, in the archive's comment, which torch passes over.
"""

import hashlib
import io
import os
import pickletools
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch

from digits.errors import DigitsError
from digits.io import partial_path
from digits.shapes import check_file

LIMIT = 16 << 30  # bytes of a file
_PICKLE_LIMIT = 64 << 20  # bytes of the description and the tensors' names; ours has 0.07 MB
_TAG = b"digits sha256 "
_TAIL = len(_TAG) + 64
_LEGACY_PICKLES = 5  # pickles at the start of a file of torch before 1.6
_NAMING_OPCODES = {"GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"}
# What the pickle of plain data and dense tensors calls. torch allows more without running code:
# `bytearray`, which takes memory at will, and tensors without numbers of their own.
_ALLOWED_CALLS = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "torch.serialization _get_layout",
    "torch Size",
}


def load_plain(path: Path) -> Any:
    """Read a torch file of tensors and plain data to the CPU, without unpickling code.

    Tensors stay on the disk until they are used, so that a large one that is not wanted takes no
    memory.

    Raises:
        DigitsError: missing, not a regular file, damaged, or holding anything else.
    """
    check_file(path, LIMIT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about pickle protocols, in files of other kinds
        archived = _check(path)
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=archived)
        except Exception as error:  # torch's errors have no common type
            reason = str(error) if isinstance(error, OSError) else type(error).__name__
            raise DigitsError(f"{path}: not a torch file of plain tensors ({reason}).") from error


def save(content: object, path: Path) -> None:
    """Write a torch file with a digest; it is there only when it is whole.

    Raises:
        DigitsError: the disk is full, or the folder cannot be written.
    """
    with partial_path(path) as partial:
        try:
            torch.save(content, partial)
        except RuntimeError as error:  # torch's own writer says no more than that it failed
            raise DigitsError(
                f"{path}: cannot be written (the disk is full, or gone); free some space, or write "
                "elsewhere."
            ) from error
        seal(partial)


def seal(path: Path) -> None:
    """Add the digest of the whole to a torch file that has none."""
    comment = _digest(path, path.stat().st_size - 2)  # all but the length of the comment, none yet
    with path.open("r+b") as file:
        file.seek(-2, os.SEEK_END)
        file.write(len(comment).to_bytes(2, "little") + comment)


def _check(path: Path) -> bool:
    """Refuse a damaged file, and one that calls more than tensors need.

    Returns:
        Whether it is an archive, as torch writes since 1.6.
    """
    archived = False
    try:
        with path.open("rb") as file:
            archived = file.read(2) == b"PK"
            file.seek(0)
            called = _check_archive(path) if archived else _called(file, _LEGACY_PICKLES)
    except DigitsError:
        raise
    except Exception as error:  # of a damaged file; zipfile's and pickle's have no common type
        reason = "damaged or cut" if archived else "not a torch file of plain tensors"
        raise DigitsError(f"{path}: {reason} ({error or type(error).__name__}).") from error
    if called - _ALLOWED_CALLS:
        raise DigitsError(
            f"{path}: not a torch file of plain tensors (asks for {min(called - _ALLOWED_CALLS)})."
        )
    return archived


def _check_archive(path: Path) -> set[str]:
    """Refuse an archive that was changed, or that unpacks to more than it is.

    Returns:
        What its pickle calls.

    Raises:
        DigitsError: says why.
    """
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
        packed = any(record.compress_type != zipfile.ZIP_STORED for record in records)
        if packed or sum(record.file_size for record in records) > size:
            raise DigitsError(f"{path}: not written by torch (its records are compressed).")
        pickles = [record for record in records if record.filename.endswith("/data.pkl")]
        if len(pickles) != 1 or pickles[0].file_size > _PICKLE_LIMIT:
            raise DigitsError(f"{path}: not written by torch (no data.pkl of usual size).")
        comment = archive.comment
        ours = not comment or comment == _digest(path, size - _TAIL - 2)
        if archive.testzip() or not ours or not _ends_as_stated(path, size):
            raise DigitsError(f"{path}: damaged, a checksum does not match; copy it again.")
        return _called(io.BytesIO(archive.read(pickles[0])))


def _ends_as_stated(path: Path, size: int) -> bool:
    """Whether the comment is as long as the archive says; zipfile takes what there is."""
    with path.open("rb") as file:
        file.seek(max(0, size - zipfile.ZIP_MAX_COMMENT - 22))  # bytes of the last record
        tail = file.read()
    at = tail.rfind(b"PK\5\6")
    return len(tail) - at - 22 == int.from_bytes(tail[at + 20 : at + 22], "little")


def _called(file: BinaryIO, pickles: int = 1) -> set[str]:
    """The functions and classes that pickles name, without running them."""
    names = {
        str(argument or "code")
        for _ in range(pickles)
        for code, argument, _ in pickletools.genops(file)
        if code.name in _NAMING_OPCODES
    }
    return {name for name in names if not re.fullmatch(r"torch \w+Storage", name)}


def _digest(path: Path, size: int) -> bytes:
    """The comment that belongs to the first `size` bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (part := file.read(min(size, 1 << 20))):
            digest.update(part)
            size -= len(part)
    return _TAG + digest.hexdigest().encode()
