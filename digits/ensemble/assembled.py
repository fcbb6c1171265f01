"""Load several checkpoints and the fusion fitted to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import nn

from digits import checkpoint
from digits.ensemble.fusion import Fusion
from digits.ensemble.members import short_names
from digits.ensemble.recipe import Recipe
from digits.ensemble.stored import FUSION
from digits.errors import DigitsError
from digits.reading.base import ReaderState


class Ensemble(NamedTuple):
    """What numbers are read with.

    Attributes:
        models: the detectors, in evaluation mode.
        fusion: of their detections; None where one model reads alone.
        state: of the reader that was fitted to these detections.
    """

    models: list[nn.Module]
    fusion: Fusion | None
    state: ReaderState | None


def assemble(paths: Sequence[Path], fit: str | None, trust: Sequence[str] = ()) -> Ensemble:
    """Several checkpoints, fused as a fusion.json says for numbers.

    Args:
        paths: of the checkpoints.
        fit: the path of the fusion.json; None: there is none.
        trust: as in `digits.checkpoint.Checkpoint.rebuild`.

    Raises:
        DigitsError: no fusion.json, or one of other members.
    """
    if fit is None:
        raise DigitsError(
            f"{len(paths)} checkpoints, but no fusion.json beside them "
            f"({paths[0]}, ...): put into their folder the one that predict.py "
            "ckpt=FOLDER data=coco data.root=DIR wrote, or name one checkpoint."
        )
    checkpoints = [checkpoint.load(path) for path in paths]
    names = short_names(paths)
    members = [one.header() | {"name": n} for one, n in zip(checkpoints, names, strict=True)]
    recipe = Recipe.load(Path(fit)).for_members(members, fit)
    state = recipe.readers.get(recipe.numbers)
    if recipe.numbers != FUSION:
        checkpoints = [checkpoints[names.index(recipe.numbers)]]
    models = [one.rebuild(trust=trust) for one in checkpoints]
    return Ensemble(models, recipe.fusion if recipe.numbers == FUSION else None, state)
