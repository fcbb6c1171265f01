"""The options of a fusion."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from digits import outputs, resources
from digits.ensemble.fusion import Fusion
from digits.ensemble.recipe import MemberInfo, Recipe
from digits.errors import DigitsError


@dataclass(frozen=True)
class FusionOptions:
    """The configuration group `fusion`.

    Attributes:
        method: `wbf` (weighted boxes fusion), or `none` for the best member alone.
        weights: one per member; `None` for equal ones; `auto` to search for them, for IoU and for
            the score floor on valid.
        iou: as in `Fusion`.
        score_floor: as in `Fusion`.
        fit: a fusion.json of an earlier run, so that nothing is fitted.

    Raises:
        DigitsError: names the option that is wrong.
    """

    method: str = "wbf"
    weights: Sequence[float] | str | None = None
    iou: float = 0.6
    score_floor: float = 0.05
    fit: str | None = None

    def __post_init__(self) -> None:
        if self.fit and not Path(self.fit).is_file():
            raise DigitsError(f"fusion.fit={self.fit}: not a fusion.json (there is no such file).")

    @cached_property
    def recipe(self) -> Recipe | None:
        """What `fit` holds."""
        return Recipe.load(Path(self.fit)) if self.fit else None

    def recipe_for(self, members: Sequence[MemberInfo]) -> Recipe | None:
        """The same for these members.

        Raises:
            DigitsError: it was fitted to others.
        """
        return self.recipe and self.recipe.for_members(members, str(self.fit))

    @property
    def tunes(self) -> bool:
        """Whether valid decides about weights, IoU and score floor."""
        return self.method != "none" and self.weights == "auto"

    def fusion(self, count: int) -> Fusion | None:
        """The fusion of so many members, where the search for a better one starts if it is tuned;
        `None` for the best member alone.

        Raises:
            DigitsError: as `Fusion`; not one weight per member.
        """
        if self.method == "none":
            return None
        if self.weights is None or isinstance(self.weights, str):
            return Fusion((1.0,) * count, self.iou, self.score_floor)
        if len(self.weights) != count:
            raise DigitsError(
                f"fusion.weights={list(self.weights)}: {len(self.weights)} numbers for {count} "
                "members; give one per member in their order (each checkpoint at each of "
                "tta.scales), or auto."
            )
        return Fusion(tuple(self.weights), self.iou, self.score_floor)


def stored_fit(ckpt: object, fit: str | None) -> str | None:
    """The fusion.json to use: as said, or by `auto` the one in the folder of checkpoints.

    Args:
        ckpt: as the configuration has it (`digits.resources.located`).
        fit: a path, `None` for none, or `auto`.
    """
    if fit != "auto":
        return fit
    path = resources.located(ckpt) / outputs.FUSION if isinstance(ckpt, str) else None
    return str(path) if path and path.is_file() else None
