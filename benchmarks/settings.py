"""What train.py would build, said by train.py itself."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra.utils import instantiate

from digits.errors import DigitsError

ROOT = Path(__file__).resolve().parents[2]


@cache
def train_config(*overrides: str) -> dict[str, Any]:
    """The resolved configuration of `python train.py OVERRIDES`, without pretrained weights.

    Raises:
        DigitsError: no train.py beside the package, or what it says of the overrides.
    """
    script = ROOT / "train.py"
    if not script.is_file():
        raise DigitsError(
            f"{script}: not there; the benchmark times the settings of a checkout, so run it in "
            "one (pip install -e .)."
        )
    own = ("--cfg", "job", "--resolve", "run_dir=.", "backbone.weights=none")
    done = subprocess.run(
        [sys.executable, str(script), *own, *overrides],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise DigitsError(f"train.py {' '.join(overrides)}: {done.stderr.strip()}")
    config = yaml.safe_load(done.stdout)
    assert isinstance(config, dict)
    return config


def build(config: dict[str, Any]) -> Any:
    """The object that settings with `_target_` describe."""
    return instantiate(config, _convert_="all")
