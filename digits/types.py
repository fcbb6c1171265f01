"""The data that stages exchange: torchvision's dictionaries, with types.

A photo is a uint8 tensor `(3, H, W)`, RGB. Boxes are xyxy in pixels of the original photo; a label
is the digit + 1 (0 is the background), as in the course's files. Other forms (COCO's xywh, HDF5)
exist only where files are read and written.

Importing this loads no torch. Where numbers are read without it (`digits.export`), arrays of numpy
of the same shapes stand for tensors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, Protocol, TypedDict

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

CLASS_NAMES = tuple("0123456789")
NUM_CLASSES = len(CLASS_NAMES) + 1  # the background is class 0
MAX_BOXES = 300  # of a photo, the surest ones: more are not weighed
SCORED_BOXES = 100  # of a photo, the surest: mAP looks at no more
NO_NUMBER = "-1"  # what pred.csv holds for a photo without any digit


class Target(TypedDict):
    """The true digits of a photo."""

    boxes: "Tensor"
    """float32 `(N, 4)`."""
    labels: "Tensor"
    """int64 `(N,)` in 1..10."""
    image_id: int
    size: NotRequired[tuple[int, int]]
    """`(height, width)` of the file, which boxes refer to, where the photo was reduced."""
    unreadable: NotRequired[str]
    """Why the photo's file cannot be read, where it cannot; the photo is then empty."""


class RowTexts(TypedDict):
    """What a recogniser reads in a row of boxes that may be a photo's number."""

    boxes: list[list[float]]
    """The row's boxes in reading order, xyxy in pixels of the photo."""
    weight: float
    """Log of how plausible the row is, as a share of the photo's (`digits.recognition.rows`)."""
    texts: dict[str, float]
    """Strings of digits and their log-probabilities in this row."""


class Detections(TypedDict):
    """What a detector found in a photo, highest score first."""

    boxes: "Tensor"
    """float32 `(N, 4)`."""
    scores: "Tensor"
    """float32 `(N,)` in [0, 1]."""
    labels: "Tensor"
    """int64 `(N,)` in 1..10."""
    votes: NotRequired["Tensor"]
    """float32 `(N,)`: of a fusion, how many members see that digit there."""
    rows: NotRequired[list[RowTexts]]
    """Where a recogniser has read the photo."""


class Record(Detections):
    """Detections and the photo that they are of: an entry of detections.json."""

    image_id: int
    file_name: str
    height: int
    width: int


@dataclass(frozen=True)
class Reading:
    """A number read in a photo.

    Attributes:
        number: its digits as text, `-1` where there are no boxes at all.
        indices: the boxes it is made of, int64 `(K,)`, in reading order.
        confidence: in [0, 1]. Of a calibrated reader, the probability that the whole number is
            right; of a rule, only the score of the weakest digit. 0 without boxes.
        runner_up: the next most probable number; empty where none is known.
    """

    number: str
    indices: np.ndarray
    confidence: float
    runner_up: str = ""

    def matches(self, truth: str) -> bool:
        """Whether this is the true number, which is empty where there are no digits."""
        return is_right(self.number, truth)


class PhotoDataset(Protocol):
    """What every source of photos offers (`digits.data`)."""

    @property
    def labelled(self) -> bool:
        """Whether the targets hold the true digits."""

    @property
    def image_ids(self) -> Sequence[int] | np.ndarray:
        """An id per photo, all different, in the order of the photos."""

    @property
    def paths(self) -> Sequence[str] | np.ndarray:
        """The files of the photos; empty where they are drawn."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple["Tensor", Target]: ...

    def size(self, index: int) -> tuple[int, int]:
        """`(height, width)` in pixels, without decoding the photo."""

    def file_name(self, index: int) -> str:
        """The name of a photo, for people and files."""


def is_right(number: str, truth: str) -> bool:
    """Whether a number as read, `NO_NUMBER` for none, is the true one, which is empty for none."""
    return number == (truth or NO_NUMBER)


def number_of(labels: "Tensor | Sequence[int] | np.ndarray") -> str:
    """The digits of labels in the order given, as text: leading zeros stay."""
    return "".join([CLASS_NAMES[label - 1] for label in np.asarray(labels).tolist()])


def target_number(target: Target) -> str:
    """The number of a target: its digits from left to right, by x_min.

    That is the annotated order in 99.98 % of SVHN's photos.
    """
    left = target["boxes"][:, 0].cpu().numpy()
    return number_of(target["labels"].cpu().numpy()[left.argsort(kind="stable")])


def reading_labels(reading: Reading, labels: "Tensor") -> np.ndarray:
    """The labels `(K,)` of a reading's boxes as they are read.

    A recogniser may take a digit for another than the detector's class; where it also counts other
    digits than there are boxes, the classes stay.

    Args:
        reading: of the photo.
        labels: of all its boxes, `(N,)`.
    """
    if len(reading.number) == len(reading.indices) and reading.number.isdecimal():
        return np.array([int(digit) + 1 for digit in reading.number], dtype=np.int64)
    classes: np.ndarray = np.asarray(labels)[reading.indices]
    return classes
