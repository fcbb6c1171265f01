"""Output folders: unique per run, and removed again when a run is refused before it starts."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

# Runs that start in the same second must not share a folder. Cached, as a run has one name.
OmegaConf.register_new_resolver(
    "unique", lambda: secrets.token_hex(3), use_cache=True, replace=True
)


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
