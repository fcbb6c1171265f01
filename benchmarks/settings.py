"""What train.py would build."""

from functools import cache
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import OmegaConf

import digits.cli.folders  # noqa: F401  (registers what conf/train.yaml names its run by)
from digits.errors import DigitsError
from digits.resources import CONF


@cache
def train_config(*overrides: str) -> dict[str, Any]:
    """The resolved configuration of `python train.py OVERRIDES`, without pretrained weights.

    Raises:
        DigitsError: what Hydra says of the overrides.
    """
    own = ("run_dir=.", "output_dir=.", "backbone.weights=none")
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", [*own, *overrides])
    except HydraException as error:
        reason = " ".join(str(error).split())
        raise DigitsError(f"train.py {' '.join(overrides)}: {reason}") from error
    return cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))


def build(config: dict[str, Any]) -> Any:
    """The object that settings with `_target_` describe."""
    return instantiate(config, _convert_="all")
