"""The schema of detections.json."""

from typing import Annotated, Any, TypedDict

from msgspec import UNSET, Meta, Struct, UnsetType

from digits.types import CLASS_NAMES, NUM_CLASSES

_Coordinate = Annotated[float, Meta(ge=-1e7, le=1e7)]
_Score = Annotated[float, Meta(ge=0, le=1)]
_Label = Annotated[int, Meta(ge=1, lt=NUM_CLASSES)]
_Votes = Annotated[float, Meta(ge=0, le=10_000)]
_Pixels = Annotated[int, Meta(ge=1, le=1 << 24)]
_Id = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_Log = Annotated[float, Meta(ge=-1e6, le=1e-2)]  # of a probability, rounded
_Text = Annotated[str, Meta(pattern="^[0-9]{1,100}$")]


class _Row(TypedDict):
    """`digits.types.RowTexts` with its ranges."""

    boxes: Annotated[
        list[Annotated[list[_Coordinate], Meta(min_length=4, max_length=4)]],
        Meta(min_length=1, max_length=100),
    ]
    weight: _Log
    texts: Annotated[dict[_Text, _Log], Meta(min_length=1, max_length=1000)]


class Photo(Struct):
    """`digits.types.Record` with its ranges."""

    image_id: _Id
    file_name: str
    height: _Pixels
    width: _Pixels
    boxes: list[tuple[_Coordinate, _Coordinate, _Coordinate, _Coordinate]]
    scores: list[_Score]
    labels: list[_Label]
    votes: list[_Votes] | UnsetType = UNSET
    rows: Annotated[list[_Row], Meta(max_length=1000)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        for name in ("scores", "labels", "votes"):
            values = getattr(self, name)
            if values is not UNSET and len(values) != len(self.boxes):
                raise ValueError(
                    f"expected as many {name} as boxes, got {len(values)} and {len(self.boxes)}"
                )


class Header(Struct):
    """Where the detections came from, as far as it is read again; it may hold more."""

    class_names: tuple[str, ...] = CLASS_NAMES
    split: str | None = None
    weights_sha256: str | None = None
    config_digest: str | None = None


class Headed(Struct):
    header: Header


class File(Struct):
    """A whole detections.json; the header is checked by itself."""

    header: dict[str, Any]
    photos: list[Photo]
