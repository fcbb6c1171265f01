"""The result of fitting a fusion on valid: its settings, and the source that each task takes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from digits.ensemble.fusion import Fusion
from digits.ensemble.stored import FUSION, read_stored
from digits.errors import DigitsError
from digits.reading.base import ReaderState

MemberInfo = dict[str, Any]
"""`name`, `weights_sha256` and `config_digest` of a member."""


@dataclass(frozen=True)
class Recipe:
    """A fusion, and what valid decided about it; plain data, so that it can be stored.

    Attributes:
        members: in their order.
        fusion: `None` where the best members are better alone.
        boxes: the source of pred.json: a member's name, or `fusion`.
        numbers: the source of the numbers, likewise.
        refine: whether the boxes of pred.json are refined.
        readers: by source, the state of its reader.
        table: per source its figures on valid, by cross-fitting.
        folds: of a tuned fusion, per fold of valid the fusion tuned on the other folds.
        digest: of the photos that all this was fitted to (`digits.fingerprints.of_targets`).
        average: whether the boxes, those of a member, are moved to where all members see them
            (`digits.ensemble.averaging`), by the weights of the fusion.
    """

    members: list[MemberInfo]
    fusion: Fusion | None
    boxes: str = FUSION
    numbers: str = FUSION
    refine: bool = False
    readers: dict[str, ReaderState | None] = field(default_factory=dict)
    table: list[dict[str, Any]] = field(default_factory=list)
    folds: list[Fusion] = field(default_factory=list)
    digest: str = ""
    average: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def load(cls, path: Path) -> "Recipe":
        """The recipe in a fusion.json.

        Raises:
            DigitsError: no such file, or not a recipe.
        """
        content = read_stored(path)
        fusion = content["fusion"] and _fusion(content["fusion"])
        folds = [_fusion(fold) for fold in content.get("folds", [])]
        table = [_row(row) for row in content["table"]]
        return cls(**(content | {"fusion": fusion, "folds": folds, "table": table}))

    def for_members(self, members: Sequence[MemberInfo], path: str | Path) -> "Recipe":
        """The same for the same members, called as they are now.

        Args:
            members: in their order.
            path: of the fusion.json, for messages.

        Raises:
            DigitsError: it was fitted to other members.
        """
        if [identity(m) for m in self.members] != [identity(m) for m in members]:
            raise DigitsError(
                f"fusion.fit={path}: was fitted to the members "
                f"{[member['name'] for member in self.members]} in this order, got "
                f"{[member['name'] for member in members]} (or other weights or settings of "
                "these); say fusion.fit=null to fit anew."
            )
        pairs = zip(self.members, members, strict=True)
        now = {old["name"]: new["name"] for old, new in pairs} | {FUSION: FUSION}
        return replace(
            self,
            members=[member | {"name": now[member["name"]]} for member in self.members],
            boxes=now[self.boxes],
            numbers=now[self.numbers],
            readers={now[name]: state for name, state in self.readers.items()},
            table=[row | {"name": now[row["name"]]} for row in self.table],
        )

    @property
    def fuses(self) -> bool:
        """Whether any task takes the fusion, or boxes moved by its weights."""
        return self.average or FUSION in (self.boxes, self.numbers)

    def choices(self) -> list[str]:
        """What each task takes, in a line for people."""
        lines = []
        for task, source in (("pred.json", self.boxes), ("pred.csv", self.numbers)):
            alone = source != FUSION and self.fusion is not None
            why = ", the best member: fusing does not help there" if alone else ""
            if task == "pred.json" and self.average:
                why = ", each box moved to the mean of all members' boxes there"
            lines.append(f"{task}: from {source}{why}")
        return lines


def identity(member: MemberInfo) -> list[Any]:
    """What tells a member from others, whatever it is called."""
    return [member["weights_sha256"], member["config_digest"]]


def _fusion(content: dict[str, Any]) -> Fusion:
    settings = dict(content)
    settings.pop("method", None)  # files written before 0.2 name it
    return Fusion(**(settings | {"weights": tuple(settings["weights"])}))


def _row(content: dict[str, Any]) -> dict[str, Any]:
    """A row of the table; files written before 0.2 call `map_raw` `map`."""
    return {("map_raw" if name == "map" else name): value for name, value in content.items()}
