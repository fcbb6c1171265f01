"""Report that another process of a distributed training has ended."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from digits import outputs
from digits.errors import DigitsError

_LOST = re.compile(r"gloo|NCCL|ProcessGroup|[Cc]onnection (reset|closed)")


@contextmanager
def together(processes: int, folder: Path, go_on: str) -> Iterator[None]:
    """Turn what the communication of processes raises into one line.

    Args:
        processes: that train together.
        folder: of the run.
        go_on: the command that goes on with it.

    Raises:
        DigitsError: another process has ended.
    """
    try:
        yield
    except RuntimeError as error:
        if processes == 1 or not _LOST.search(str(error)):
            raise
        last = folder / outputs.LAST
        kept = f"Kept: {last}. Go on: {go_on}" if last.is_file() else "Nothing was saved yet"
        raise DigitsError(
            "Another process of this training has ended, by an error of its own (see above), or "
            f"killed, as for want of memory. {kept}."
        ) from error
