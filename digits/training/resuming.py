"""Open the run that is resumed, and compare its settings with those of now."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from digits.errors import DigitsError
from digits.training.differences import refuse_other_settings
from digits.training.stored import Stored, read_stored


def open_run(ckpt_path: object, config: Mapping[str, Any]) -> Stored | None:
    """The run that is gone on with, its settings compared with those of now.

    Args:
        ckpt_path: a run's folder or its last.ckpt; None: a new run.
        config: the settings of now.

    Raises:
        DigitsError: as `read_stored`; settings that differ and can't work.
    """
    if ckpt_path is None:
        return None
    if not str(ckpt_path):
        raise DigitsError(f"ckpt_path={ckpt_path}: expected a last.ckpt, or the folder of a run.")
    run = read_stored(Path(str(ckpt_path)))
    differing = refuse_other_settings(run.path, run.description["config"], config)
    return replace(run, differing=tuple(differing))
