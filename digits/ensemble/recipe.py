"""What valid decided about a fusion: the settings, and what a submission takes from whom."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from digits.ensemble.fusion import Fusion
from digits.errors import DigitsError

FUSION = "fusion"  # the name of the source that is no member


@dataclass(frozen=True)
class Recipe:
    """A fusion, and what valid decided about it; plain data, so that it can be stored.

    Attributes:
        members: per member `name`, `weights_sha256` and `config_digest`.
        fusion: `None` where the best members do without.
        boxes: the source of pred.json: a member's name, or `fusion`.
        numbers: the source of the numbers, likewise.
        refine: whether the boxes of pred.json are refined.
        readers: by source, what was fitted for its reader.
        table: per source its figures on valid, by cross-fitting.
        digest: of the photos that all this was fitted to (`digits.reading.fit.digest`).
    """

    members: list[dict[str, Any]]
    fusion: Fusion | None
    boxes: str = FUSION
    numbers: str = FUSION
    refine: bool = False
    readers: dict[str, Any] = field(default_factory=dict)
    table: list[dict[str, Any]] = field(default_factory=list)
    digest: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def load(cls, path: Path, members: Sequence[dict[str, Any]]) -> "Recipe":
        """The recipe of an earlier run for the same members, called as they are now.

        Args:
            path: of its fusion.json.
            members: `about` of the members, in their order.

        Raises:
            DigitsError: no such file, not a recipe, or for other members.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            fusion = content["fusion"]
            if fusion is not None:
                fusion = Fusion(**(fusion | {"weights": tuple(fusion["weights"])}))
            recipe = cls(**(content | {"fusion": fusion}))
            theirs = [identity(about) for about in recipe.members]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DigitsError(
                f"fusion.fit={path}: not a fusion.json that predict.py wrote ({error!r})."
            ) from error
        if theirs != [identity(about) for about in members]:
            raise DigitsError(
                f"fusion.fit={path}: was fitted to the members "
                f"{[about['name'] for about in recipe.members]} in this order, got "
                f"{[about['name'] for about in members]} (or other weights or settings of these); "
                "say fusion.fit=null to fit anew."
            )
        pairs = zip(recipe.members, members, strict=True)
        return recipe._renamed({old["name"]: new["name"] for old, new in pairs})

    def _renamed(self, now: dict[str, str]) -> "Recipe":
        now = now | {FUSION: FUSION}
        return replace(
            self,
            members=[about | {"name": now[about["name"]]} for about in self.members],
            boxes=now[self.boxes],
            numbers=now[self.numbers],
            readers={now[name]: fitted for name, fitted in self.readers.items()},
            table=[row | {"name": now[row["name"]]} for row in self.table],
        )

    @property
    def fuses(self) -> bool:
        """Whether any task takes the fusion."""
        return FUSION in (self.boxes, self.numbers)

    def choices(self) -> list[str]:
        """What each task takes, in a line for people."""
        lines = []
        for task, source in (("pred.json", self.boxes), ("pred.csv", self.numbers)):
            alone = source != FUSION and self.fusion is not None
            why = ", the best member: fusing does not help there" if alone else ""
            lines.append(f"{task}: from {source}{why}")
        return lines


def stored_fit(ckpt: Any, fit: str | None) -> str | None:
    """The fusion.json to use: as said, or by `auto` the one in the folder of checkpoints."""
    if fit != "auto":
        return fit
    path = Path(ckpt) / "fusion.json" if isinstance(ckpt, str) else None
    return str(path) if path and path.is_file() else None


def identity(about: dict[str, Any]) -> list[Any]:
    """What tells a member from others, whatever it is called."""
    return [about["weights_sha256"], about["config_digest"]]
