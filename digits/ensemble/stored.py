"""The schema of fusion.json."""

from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from digits.errors import DigitsError
from digits.misfits import MisfitError
from digits.reading.state import FittedReader
from digits.shapes import Finite, convert, decode_file

FUSION = "fusion"  # the name of the source that is no member
LIMIT = 64 << 20  # bytes

_Below1 = Annotated[float, Meta(ge=0, lt=1)]
_Name = Annotated[str, Meta(min_length=1)]


class _Member(Struct, forbid_unknown_fields=True):
    name: _Name
    weights_sha256: str | None
    config_digest: str | None


class _Fusion(Struct, forbid_unknown_fields=True):
    weights: list[Annotated[float, Meta(ge=0, le=1e6)]]
    iou: _Below1 = 0.6
    score_floor: _Below1 = 0.05
    method: Literal["wbf"] = "wbf"  # files written before 0.2 name it

    def __post_init__(self) -> None:
        if not any(self.weights):
            raise ValueError("expected weights that are not all 0")


class _Recipe(Struct, forbid_unknown_fields=True):
    members: Annotated[list[_Member], Meta(min_length=1)]
    fusion: _Fusion | None
    boxes: str
    numbers: str
    refine: bool
    readers: dict[str, FittedReader | None]
    table: list[dict[str, Finite | str]]
    folds: list[_Fusion] = []
    digest: str = ""
    average: bool = False

    def __post_init__(self) -> None:
        sources = [member.name for member in self.members] + [FUSION]
        if len(set(sources)) < len(sources):
            raise ValueError(f"expected members of different names, none {FUSION!r}")
        for task in ("boxes", "numbers"):
            source = getattr(self, task)
            if source not in sources:
                raise ValueError(f"{task}: expected one of {sources}, got {source!r}")
            if source == FUSION and self.fusion is None:
                raise ValueError(f"{task}: taken from the fusion, but there is none")
        if self.average and (self.boxes == FUSION or self.fusion is None):
            raise ValueError("average: expected boxes of a member and the weights of a fusion")
        for named in (*self.readers, *(row.get("name") for row in self.table)):
            if named not in sources:
                raise ValueError(f"readers and table: expected only {sources}, got {named!r}")
        for fusion in (*self.folds, *([self.fusion] if self.fusion else [])):
            if len(fusion.weights) != len(self.members):
                raise ValueError(
                    f"expected a weight per member, got {len(fusion.weights)} for "
                    f"{len(self.members)} members"
                )


def read_stored(path: Path) -> dict[str, Any]:
    """The content of a fusion.json, as plain data of the declared shape.

    Raises:
        DigitsError: no such file, or not a fusion.json; says where it is not.
    """
    where = f"fusion.fit={path}"
    try:
        content = decode_file(path, dict[str, Any], LIMIT)
        convert(content, _Recipe)
    except MisfitError as error:
        raise DigitsError(
            f"{where}: not a fusion.json that predict.py wrote: {error.misfit}."
        ) from error
    except DigitsError as error:
        raise DigitsError(f"{where}: not a fusion.json that predict.py wrote ({error})") from error
    return content
