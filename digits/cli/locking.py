"""Lock an output folder, so that only one run writes into it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from digits.errors import DigitsError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# Set by those who start several processes for one run, of which the first holds the folder.
_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
_held: set[int] = set()


def _let_go() -> None:
    """A loading process may outlive a run that was killed, and must not keep its lock."""
    for place in _held:
        os.close(place)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def is_first_process() -> bool:
    """Whether this is the process of a run that holds its folder: the first, or the only one."""
    return not any(os.environ.get(name, "0") != "0" for name in _RANKS)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Lock a folder against other runs while the block runs; it is created if missing.

    The lock is on the folder itself, leaves nothing in it, and ends with the process however that
    ends. Where there are no such locks (Windows, some network disks), nobody is kept out.

    Raises:
        DigitsError: another run is writing there.
    """
    if fcntl is None or not is_first_process():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    place = os.open(folder, os.O_RDONLY)
    _held.add(place)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        _close(place)
        raise DigitsError(
            f"output_dir={folder}: another run is writing there; wait for its end, or choose "
            "another folder."
        ) from error
    except OSError:  # a disk without locks
        pass
    try:
        yield
    finally:
        _close(place)


def _close(place: int) -> None:
    if place in _held:  # not in a loading process
        _held.remove(place)
        os.close(place)
