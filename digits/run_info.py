"""Write config.yaml and run.json, which describe a run."""

import importlib.metadata
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from digits import __version__, outputs
from digits.io import atomic_write, write_json

_PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "hydra-core", "omegaconf")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide about results."""
    known = {"python": platform.python_version(), "digits": __version__}
    return known | {name: _version(name) for name in _PACKAGES}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # on the path, but not installed by pip
        return "unknown"


def git_commit() -> str:
    """The commit of the working tree, `+` appended where it has changes; `unknown` outside git."""
    root = Path(__file__).resolve().parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            cwd=root, capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return described.stdout.strip()


def write_run_files(folder: Path, config: dict[str, Any], command: str) -> None:
    """Write config.yaml (resolved) and run.json (command, versions, commit, time, machine)."""
    with atomic_write(folder / outputs.CONFIG) as file:
        yaml.safe_dump(config, file, sort_keys=False)
    write_json(folder / outputs.RUN, run_info(command))


def run_info(command: str) -> dict[str, Any]:
    """What runs: command, time, commit, versions, machine."""
    return {
        "command": command,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": git_commit(),
        "versions": versions(),
        "machine": platform.platform(),
    }
