"""Output folders: unique, tried before a run, and removed when it is refused before its start."""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from digits.cli.locking import held
from digits.errors import DigitsError

_MIN_FREE_BYTES = 100_000  # on the disk: Hydra writes before anything else is checked

# Runs that start in the same second must not share a folder. Cached, as a run has one name.
OmegaConf.register_new_resolver(
    "unique", lambda: secrets.token_hex(3), use_cache=True, replace=True
)


def refuse_unwritable(folder: Path) -> None:
    """Refuse a folder for outputs that can't be made or written, before hours of work, or that
    another run writes, before Hydra does.

    Raises:
        DigitsError: says why.
    """
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if _is_there(path))
        # Not the folder itself: of runs that start together one might take it from the other.
        with tempfile.TemporaryDirectory(prefix=".digits-", dir=there) as tried:
            (Path(tried) / "full").write_bytes(bytes(_MIN_FREE_BYTES))
        if folder == there:
            with held(folder):
                pass
    except OSError as error:
        raise DigitsError(
            f"output_dir={folder}: no directory that can be written ({error.strerror})."
        ) from error


def _is_there(path: Path) -> bool:
    try:
        path.stat()  # says, unlike `exists`, what else is wrong
    except FileNotFoundError:
        return False
    return True


@contextmanager
def refused_leaves_nothing(folder: Path) -> Iterator[None]:
    """Remove the folder that Hydra made for a run, if the block fails before anything is in it."""
    try:
        yield
    except BaseException:
        job = HydraConfig.get()
        if job.mode is RunMode.RUN and folder.is_dir():
            _remove(folder, job.job.name)
        raise


def _remove(folder: Path, job: str) -> None:
    log, own = folder / f"{job}.log", folder / ".hydra"
    if not set(folder.iterdir()) <= {log, own} or (log.is_file() and log.stat().st_size):
        return
    for name in ("config", "hydra", "overrides"):
        (own / f"{name}.yaml").unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    for empty in (own, folder):
        if empty.is_dir() and not any(empty.iterdir()):
            with suppress(OSError):  # the current folder, or one where others' are kept
                empty.rmdir()
