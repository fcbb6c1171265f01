"""The digest in an exported file, by which a byte of it that changed is noticed."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from digits.errors import DigitsError

KEY = "digits_sha256"  # of the text that holds it
UNSEALED = "digits-unsealed-" * 4  # as long as a digest, in whose place it stands
_SEALED = re.compile(KEY.encode() + rb".{1,12}?([0-9a-f]{64})", re.DOTALL)


def seal(path: Path, *others: Path) -> None:
    """Put the digest of a file, and of others with it, where its text says `UNSEALED`."""
    content = path.read_bytes()
    start = content.index(UNSEALED.encode())
    digest = _digest(content, start, others).encode()
    with path.open("r+b") as file:
        file.seek(start)
        file.write(digest)


def check_seal(path: Path, *others: Path) -> None:
    """Check the digest of a file, where it has one.

    Raises:
        DigitsError: a byte of it, or of the others, is not what was written.
    """
    content = path.read_bytes()
    found = _SEALED.search(content)
    if found and _digest(content, found.start(1), others) != found[1].decode():
        raise DigitsError(f"{path}: damaged: it is not what was written; export again.")


def _digest(content: bytes, start: int, others: Sequence[Path]) -> str:
    whole = memoryview(content)
    digest = hashlib.sha256(whole[:start])
    digest.update(UNSEALED.encode())
    digest.update(whole[start + len(UNSEALED) :])
    for other in others:
        digest.update(other.read_bytes())
    return digest.hexdigest()
