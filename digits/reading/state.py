"""The schema of a fitted reader, in checkpoints and fusion.json."""

from typing import Annotated

from msgspec import Meta, Struct

from digits.shapes import Finite

Share = Annotated[float, Meta(ge=0, le=1)]
# Far beyond what a fit gives, and far from where confidences would not be finite.
Positive = Annotated[float, Meta(ge=1e-30, le=1e30)]
Weight = Annotated[float, Meta(ge=-1e30, le=1e30)]
Count = Annotated[int, Meta(ge=0, le=1 << 40)]
_OUTCOMES = 3  # nothing, the digit it says, another digit (`digits.reading.weighing.OUTCOMES`)


class Settings(Struct, forbid_unknown_fields=True):
    """Arguments of the reader that was fitted."""

    nms_iou: Share
    min_photos: Count
    ignore: list[str]


class Texts(Struct, forbid_unknown_fields=True):
    """Weights of the detector's and the recogniser's opinions together."""

    evidence: list[str]
    weights: list[Weight]
    number: tuple[Weight, Weight]

    def __post_init__(self) -> None:
        _check_length("weights", self.weights, len(self.evidence))


class FittedReader(Struct, forbid_unknown_fields=True):
    """What `digits.reading.fit.fit_weights` returns, with the settings of the fit."""

    photos: Count
    features: list[str]
    score_scale: Positive
    mean: list[Weight]
    spread: list[Positive]
    weights: list[list[Weight]]
    bias: list[Weight]
    settings: Settings
    number: tuple[Weight, Weight] = (1.0, 0.0)
    texts: Texts | None = None
    digest: str = ""
    penalty: Positive = 1.0
    accept: Finite | None = None

    def __post_init__(self) -> None:
        evidence = len(self.features)
        _check_length("mean", self.mean, evidence)
        _check_length("spread", self.spread, evidence)
        _check_length("weights", self.weights, _OUTCOMES)
        _check_length("bias", self.bias, _OUTCOMES)
        for row in self.weights:
            _check_length("each row of weights", row, evidence)


def _check_length(name: str, values: list[float] | list[list[float]], length: int) -> None:
    if len(values) != length:
        raise ValueError(f"expected {name} of length {length}, got {len(values)}")
