"""The settings in conf/, read as plain YAML: what is timed is what train.py would build."""

from pathlib import Path
from typing import Any

import yaml
from hydra.utils import instantiate

from digits.errors import DigitsError

ROOT = Path(__file__).resolve().parents[2]


def options(group: str) -> list[str]:
    """Names of the files in conf/GROUP.

    Raises:
        DigitsError: no conf/ beside the package.
    """
    names = sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml"))
    if not names:
        raise DigitsError(
            f"{ROOT / 'conf' / group}: not there; the benchmark reads the settings of a checkout, "
            "so run it in one (pip install -e .)."
        )
    return names


def read(group: str, option: str) -> dict[str, Any]:
    """The settings in conf/GROUP/OPTION.yaml.

    Raises:
        DigitsError: no such option.
    """
    if option not in options(group):
        known = ", ".join(options(group))
        raise DigitsError(f"{group}={option}: not in conf/{group}; expected one of {known}.")
    content = yaml.safe_load((ROOT / "conf" / group / f"{option}.yaml").read_text("utf-8"))
    assert isinstance(content, dict)
    return content


def model_config(backbone: str, model: str) -> dict[str, Any]:
    """The resolved settings of a detector without pretrained weights."""
    part = read("backbone", backbone)
    # A file of `# @package _global_` holds the backbone under its name, and may change the model.
    config = read("model", model) | part.get("model", {})
    config["backbone"] = part.get("backbone", part) | {"weights": "none"}
    return config


def build(config: dict[str, Any]) -> Any:
    """The object that settings with `_target_` describe."""
    return instantiate(config, _convert_="all")
