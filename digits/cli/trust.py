"""The setting `trust`, which counts on the command line alone: no file may vouch for itself."""

from typing import Any

from hydra.core.hydra_config import HydraConfig

from digits import own_code
from digits.errors import DigitsError


def trusted(config: dict[str, Any]) -> tuple[str, ...]:
    """The user's own modules that may run, imported; everything else from outside is refused.

    Args:
        config: all settings, resolved, as plain data.

    Raises:
        DigitsError: trust set in a file, as `own_code.import_trusted` and `refuse_foreign`.
    """
    hydra = HydraConfig.get()
    typed = any(text.lstrip("+").startswith("trust=") for text in hydra.overrides.task)
    swept = "trust" in (hydra.sweeper.get("params") or {})
    if config["trust"] is not None and (swept or not typed):
        raise DigitsError(
            f"trust={config['trust']}: set in a file; it counts only on the command line."
        )
    trust = own_code.import_trusted(config["trust"])
    own_code.refuse_foreign(config, trust)
    return trust
