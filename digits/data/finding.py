"""Find the photos that `photos=` names: folders, patterns, files, addresses."""

import glob
import os
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import count
from pathlib import Path

from digits import outputs
from digits.console import console
from digits.data.address import fetch_picture, file_name, is_address
from digits.data.formats import readable_suffixes
from digits.data.paths import path_text
from digits.errors import DigitsError

_FOREIGN = {
    ".heic", ".heif", ".avif", ".gif", ".pdf", ".psd", ".svg",
    ".dng", ".cr2", ".cr3", ".nef", ".arw",
}  # fmt: skip
# A folder of outputs, which may be a folder of photos too (output_dir=), and the pictures in it.
_MARKS = {".hydra", outputs.DETECTIONS, outputs.METRICS}
_OURS = {
    outputs.PICTURES, outputs.READINGS, outputs.VALID, outputs.CONFIDENCE, outputs.CURVES,
    outputs.AUGMENTED, outputs.DOWNLOADS, "coverage.png",
}  # fmt: skip


def find_photos(photos: object, downloads: Path | None = None) -> list[Path]:
    """The photo files that `photos=` names; those of a folder or pattern sorted by path.

    Hidden files and folders, and pictures of earlier runs, are left out; linked folders are
    searched; a folder within that may not be searched is given like a file that cannot be read.
    Photos of formats that cannot be read here are named on the console.

    Args:
        photos: a folder (searched with its subfolders), a file, a glob pattern, the http(s)
            address of one picture, or a list of them. What exists under the very name is no
            pattern.
        downloads: where pictures from addresses are kept.

    Raises:
        DigitsError: nothing there; nothing said; a picture that cannot be fetched.
    """
    items = photos if isinstance(photos, list) else [photos]
    found: dict[Path, None] = {}  # in order, each once
    addresses: dict[str, Path] = {}
    skipped: Counter[str] = Counter()
    for item in items:
        text = path_text("photos", item)
        if not text.strip():
            break
        if is_address(text):
            if text not in addresses:
                path = _unused(downloads or Path("."), text, set(addresses.values()))
                fetch_picture(text, path)
                addresses[text] = path
            found[addresses[text]] = None
            continue
        files = _files(text)
        good = [p for p in files if p.suffix.lower() in readable_suffixes() or os.path.isdir(p)]
        skipped.update(p.suffix.lower() for p in files if p not in good and _is_foreign(p))
        if not good:
            raise _nothing(text, files)
        found |= dict.fromkeys(good)
    if not found:
        raise DigitsError(
            f"photos={photos if photos else ''}: nothing is named (a variable that is not set?); "
            "say photos=FOLDER, a file, a pattern or a list of them."
        )
    if skipped:
        each = ", ".join(f"{n} {suffix}" for suffix, n in sorted(skipped.items()))
        how = " (or, for HEIC, pip install pillow-heif)" if ".heic" in skipped else ""
        console.print(f"photos: not read: {each}; save them as JPEG{how}.")
    return list(found)


def _unused(folder: Path, address: str, used: set[Path]) -> Path:
    """A path for a downloaded picture that no other address uses."""
    path = folder / file_name(address)
    for number in count(2):
        if path not in used:
            break
        path = folder / str(number) / file_name(address)
    return path


def _files(text: str) -> list[Path]:
    """The files of a folder, a file or a pattern, sorted."""
    path = Path(text)
    if path.is_dir():
        return sorted(_walk(path, set()))
    if path.is_file():
        return [path]
    # A folder "Urlaub [2024]" before the pattern is that folder.
    fixed = Path()
    parts = path.parts
    while parts and (fixed / parts[0]).is_dir():
        fixed, parts = fixed / parts[0], parts[1:]
    matches = glob.glob(str(Path(*parts)), root_dir=fixed, recursive=True)
    return sorted({fixed / name for name in matches if _is_photo_name(name, fixed)})


def _is_photo_name(name: str, folder: Path) -> bool:
    # macOS leaves ._IMG.jpg beside IMG.jpg on foreign disks; it is no photo.
    return not Path(name).name.startswith(".") and (folder / name).is_file()


def _walk(folder: Path, seen: set[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in seen:  # a link back
        return
    seen.add(real)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        if len(seen) > 1:  # one within the folder: the others are read
            yield folder
            return
        raise DigitsError(f"photos={folder}: cannot be searched ({error.strerror}).") from error
    ours = _OURS if _MARKS.intersection(entry.name for entry in entries) else set()
    for entry in entries:
        if entry.name.startswith(".") or entry.name in ours:
            continue
        # Of a link to itself, or into what may not be looked at, DirEntry raises; os.path does not.
        if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():
            yield from _walk(Path(entry.path), seen)
        elif os.path.isfile(entry.path) or not os.path.exists(entry.path):  # links to nowhere too
            yield Path(entry.path)


def _searchable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.R_OK)


def _is_foreign(path: Path) -> bool:
    return path.suffix.lower() in _FOREIGN


def _nothing(text: str, files: list[Path]) -> DigitsError:
    foreign = sorted({path.suffix.lower() for path in files if _is_foreign(path)})
    if foreign:
        why = f"only {', '.join(foreign)}, which cannot be read here; save them as JPEG"
        if {".heic", ".heif"} & set(foreign):
            why += ", or pip install pillow-heif"
        return DigitsError(f"photos={text}: {why}.")
    if "://" in text:
        return DigitsError(f"photos={text}: expected an address that begins with http or https.")
    path = Path(text)
    if not path.exists() and not glob.has_magic(text):
        name = " (photos= takes its name, not a number)" if text.isdigit() else ""
        beside = os.listdir(path.parent) if _searchable(path.parent) else []
        near = get_close_matches(path.name, beside, 1)
        hint = f"; did you mean {path.parent / near[0]}?" if near else "."
        return DigitsError(f"photos={text}: no such file or folder{name}{hint}")
    return DigitsError(
        f"photos={text}: no photos there; expected a folder or a pattern of files that end in "
        f"{', '.join(sorted(readable_suffixes()))}, or the http(s) address of a picture."
    )
