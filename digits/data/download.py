"""Download a file over HTTP: resumed after a break, verified, and renamed only when complete."""

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import requests
import urllib3
from rich import progress as bars

from digits.errors import DigitsError

CHUNK = 1 << 18  # bytes
TIMEOUT_S = (10.0, 60.0)  # to connect; between two bytes


def fetch(
    url: str,
    path: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    waits: Sequence[float] = (1.0, 3.0, 9.0),
) -> Path:
    """Download `url` to `path`, unless it is there already, and return `path`.

    Bytes gather in `<path>.part`, which the next call resumes; not for two processes at once.

    Args:
        url: of the file.
        path: where it goes.
        size: expected bytes; all that an existing file is checked by.
        sha256: expected digest, hexadecimal; without it the digest of what came is written to
            `<path>.sha256`, in the form of sha256sum.
        waits: seconds before each retry of a broken connection; progress starts them afresh.

    Raises:
        DigitsError: no connection, an HTTP error, a wrong size or checksum (the part is deleted),
            an existing file of the wrong size (it is kept), a disk that cannot be written.
    """
    part = path.with_suffix(path.suffix + ".part")
    if path.exists():
        if size is not None and path.stat().st_size != size:
            raise DigitsError(
                f"{path} has {path.stat().st_size} bytes, expected {size}: an incomplete or "
                f"different file. Delete it to download it again, or rename it to {part.name} "
                "to resume it."
            )
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(url, path, part, size, waits)
        digest = _check(url, part, size, sha256)
        if sha256 is None:
            path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n")
        os.replace(part, path)
    except OSError as error:
        raise DigitsError(
            f"Cannot write {path}: {error.strerror or error}. Free some space or choose a folder "
            "that can be written, then run again to resume."
        ) from error
    return path


def _download(url: str, path: Path, part: Path, size: int | None, waits: Sequence[float]) -> None:
    tries, furthest = 0, _length(part)
    columns = (bars.DownloadColumn(), bars.TransferSpeedColumn(), bars.TimeRemainingColumn())
    with bars.Progress("{task.description}", bars.BarColumn(), *columns) as progress:
        task = progress.add_task(path.name, total=size, completed=furthest)
        while True:
            cause: Exception | None = None
            try:
                if _attempt(url, part, size, progress, task):
                    return
                reason, retry = "the server sent other bytes than it announced", True
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                cause, (reason, retry) = error, _diagnose(error)
            # Measured against the furthest point ever: a server without ranges starts anew each
            # time, and would otherwise be asked for ever.
            if _length(part) > furthest:
                tries, furthest = 0, _length(part)
            if not retry or tries >= len(waits):
                raise DigitsError(
                    f"Cannot download {url}: {reason}. Kept {_length(part)} bytes in {part}. "
                    f"Run again to resume, or put the file at {path} by hand."
                ) from cause
            time.sleep(waits[tries])
            tries += 1


def _attempt(
    url: str, part: Path, size: int | None, progress: bars.Progress, task: bars.TaskID
) -> bool:
    """One request; True when `part` is as long as the server or `size` says."""
    have = _length(part)
    if size is not None and have >= size:
        return True  # too long is for _check to refuse
    # Some servers label .tar.gz as gzip-encoded: identity and the raw stream keep it packed.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        first, total = _content_range(response.headers.get("Content-Range", ""))
        stale = response.status_code == 416 or (response.status_code == 206 and first != have)
        if stale and have:
            if response.status_code == 416 and total == have:
                return True
            part.unlink()
            return False
        response.raise_for_status()
        if response.status_code != 206:
            have, total = 0, int(response.headers.get("Content-Length", 0)) or None
        if size is not None and total is not None and total != size:
            if have:
                part.unlink()
            raise DigitsError(_wrong(url, "size", f"{size} bytes", f"{total} bytes"))
        progress.update(task, total=size or total, completed=have)
        with open(part, "ab" if have else "wb") as file:
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                file.write(chunk)
                progress.advance(task, len(chunk))
    return total is None or _length(part) >= total


def _check(url: str, part: Path, size: int | None, sha256: str | None) -> str:
    with open(part, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if size is not None and _length(part) != size:
        message = _wrong(url, "size", f"{size} bytes", f"{_length(part)} bytes")
    elif sha256 is not None and digest != sha256.lower():
        message = _wrong(url, "sha256", sha256.lower(), digest)
    else:
        return digest
    part.unlink()
    raise DigitsError(message)


def _wrong(url: str, what: str, expected: str, got: str) -> str:
    return (
        f"{url} came with the wrong {what}: expected {expected}, got {got}. Nothing of it was "
        "kept. Run again; if this comes back, the file at that address has changed."
    )


def _diagnose(error: Exception) -> tuple[str, bool]:
    """What went wrong, in a few words, and whether another try may help."""
    if isinstance(error, requests.HTTPError):
        status = error.response.status_code
        return f"HTTP {status} {error.response.reason}", status in (429, 500, 502, 503, 504)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "the server does not answer", True
    if isinstance(error, requests.ConnectionError):
        return "no connection to the server", True
    if isinstance(error, urllib3.exceptions.HTTPError):
        return "the connection broke", True
    return str(error) or type(error).__name__, False


def _content_range(value: str) -> tuple[int | None, int | None]:
    """First byte and total of `bytes 5-9/10`; None for what is absent, as in `bytes */10`."""
    span, _, total = value.removeprefix("bytes ").partition("/")
    first = span.partition("-")[0]
    return (int(first) if first.isdigit() else None, int(total) if total.isdigit() else None)


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
