"""SVHN's original distribution (full numbers): downloaded, unpacked, split, read as COCO.

Source: Netzer et al. 2011, http://ufldl.stanford.edu/housenumbers/, for non-commercial use.
"""

import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rich import progress

from digits.data.coco import CocoDigits
from digits.data.coco_json import read_coco
from digits.data.download import fetch
from digits.data.paths import path_text
from digits.data.svhn_json import convert
from digits.errors import DigitsError
from digits.shapes import check_file

_LARGEST = 1 << 34  # bytes of an archive
BASE_URL = "http://ufldl.stanford.edu/housenumbers"
# Bytes and sha256. The digests are those that docTR (mindee/doctr, doctr/datasets/svhn.py)
# checks; we know of none published for extra, so its size alone is checked.
ARCHIVES: dict[str, tuple[int, str | None]] = {
    "train": (404141560, "4b17bb33b6cd8f963493168f80143da956f28ec406cc12f8e5745a9f91a51898"),
    "test": (276555967, "57ac9ceb530e4aa85b55d991be8fc49c695b3d71c6f6a88afea86549efde7fb5"),
    "extra": (1955489752, None),
}


def open_split(
    split: str, root: str | None, download: bool = False, valid_share: float = 0.1
) -> CocoDigits:
    """Open train, valid, test or extra of SVHN; train and valid are disjoint parts of SVHN's train.

    Raises:
        DigitsError: as `prepare` and `valid_ids` do, or no root.
    """
    if root is None:
        raise DigitsError(
            "data.root is not set: say data.root=DIR, the folder that holds (or, with "
            "data.download=true, will hold) train.tar.gz and test.tar.gz."
        )
    folder = Path(path_text("data.root", root))
    test = folder / "test"
    if split == "test" and test.is_dir() and not (test / "digitStruct.mat").exists():
        return CocoDigits(test)  # photos alone, as some courses give them
    source = "train" if split == "valid" else split
    annotations, keep = prepare(folder, source, download=download), None
    if source == "train":
        ids = read_coco(annotations).image_ids
        valid = valid_ids(ids, valid_share)
        keep = valid if split == "valid" else np.setdiff1d(ids, valid)
    return CocoDigits(folder / source, annotations, keep)


def valid_ids(image_ids: Iterable[int], share: float = 0.1) -> np.ndarray:
    """Sorted int64 ids held out for validation: the same for the same set of ids, in any order.

    Raises:
        DigitsError: a share that leaves train or valid without a photo.
    """
    ids = np.unique(np.fromiter(image_ids, dtype=np.int64))
    count = round(share * len(ids)) if 0 < share < 1 else 0  # NaN is none
    if not 0 < count < len(ids):
        raise DigitsError(
            f"valid_share={share} puts {count} of {len(ids)} photos into valid; train and valid "
            "need at least one each. Choose a share such as 0.1."
        )
    # RandomState, because numpy promises that its stream never changes (NEP 19).
    return np.sort(np.random.RandomState(0).permutation(ids)[:count])


def prepare(root: Path, split: str, *, download: bool = False, base_url: str = BASE_URL) -> Path:
    """Path of `root/<split>.coco.json`, made if need be from the first of these that exists:
    the folder `root/<split>/`, the archive `root/<split>.tar.gz`, `base_url`.

    Boxes stay as published, so a few overrun their photo.

    Args:
        root: the folder that holds all of it.
        split: train, test or extra.
        download: whether to fetch the archive if need be.
        base_url: where the archives are.

    Raises:
        DigitsError: unknown split, no data, a failed download, a damaged archive or folder.
    """
    if split not in ARCHIVES:
        raise DigitsError(f"SVHN has no split {split!r}: expected one of {', '.join(ARCHIVES)}.")
    folder, archive = root / split, root / f"{split}.tar.gz"
    mat, json_path = folder / "digitStruct.mat", root / f"{split}.coco.json"
    if not folder.exists():
        if not archive.exists():
            if not download:
                raise DigitsError(_how_to_get(root, split))
            size, sha256 = ARCHIVES[split]
            fetch(f"{base_url.rstrip('/')}/{archive.name}", archive, size=size, sha256=sha256)
        check_file(archive, _LARGEST)
        _unpack(archive, split)
    if not mat.exists():
        raise DigitsError(
            f"{folder} has no digitStruct.mat, so it is not SVHN's own folder (the course's "
            f"own form has none). Move it away and put SVHN's {archive.name} into {root}."
        )
    if not json_path.exists() or json_path.stat().st_mtime < mat.stat().st_mtime:
        convert(mat, json_path)
    return json_path


def _unpack(archive: Path, split: str) -> None:
    # Into a temporary folder first, so that a broken run never leaves half a split behind.
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=f".{split}-") as temporary:
        try:
            with (
                progress.open(archive, "rb", description=f"Unpacking {archive.name}") as file,
                tarfile.open(fileobj=file, mode="r:gz") as tar,
            ):
                unpacked = 0
                for member in tar:
                    unpacked += member.size
                    if unpacked > _LARGEST:
                        raise tarfile.TarError("it unpacks to more than SVHN's own")
                    tar.extract(member, temporary, filter="data")
            os.replace(Path(temporary, split), archive.parent / split)
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise DigitsError(
                f"Cannot unpack {archive} ({archive.stat().st_size} bytes; SVHN's own has "
                f"{ARCHIVES[split][0]}): {error}. Delete it and fetch it again, or free some "
                "space if the disk is full."
            ) from error


def _how_to_get(root: Path, split: str) -> str:
    return (
        f"No SVHN data for split {split!r} in {root}. Expected one of\n"
        f"  {root}/{split}.tar.gz\n"
        f"  {root}/{split}/digitStruct.mat with {root}/{split}/1.png, 2.png, ...\n"
        f"Set data.download=true to fetch {split}.tar.gz ({ARCHIVES[split][0] / 1e6:.0f} MB), or "
        f"put it there by hand from {BASE_URL}/ (for non-commercial use only)."
    )
