"""A source of detections, the same for one detector and a fusion, and how it is read."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from digits.errors import DigitsError
from digits.reading import Reader
from digits.reading.alternatives import with_alternatives
from digits.reading.refine import refined
from digits.types import PhotoDataset, Reading, Record, Target


class Item(NamedTuple):
    """What a source of detections gives of a photo."""

    record: Record
    """The number is read from it; it goes into detections.json."""
    boxes: Record
    """Those of pred.json: the record, or another member's of a fusion."""
    target: Target | None = None
    photo: Tensor | None = None
    base: Record | None = None
    """Its boxes are the first of `boxes`, and its reading says which of them are refined; None:
    the reading of `boxes`."""
    read: tuple[Reading, Record] | None = None
    """What `Readers.read` gives, where the process that detected it has read it too."""

    @property
    def read_for_boxes(self) -> Record:
        """What is read to tell which boxes are refined."""
        return self.boxes if self.base is None else self.base


@dataclass(frozen=True)
class Readers:
    """How the photos of a source are read.

    Attributes:
        numbers: reads the number, from `Item.record`.
        boxes: reads `Item.read_for_boxes`, to tell which boxes are refined.
        refine: whether the boxes of pred.json are refined.
        alternatives: whether pred.json holds alternatives of them.
    """

    numbers: Reader
    boxes: Reader
    refine: bool
    alternatives: bool = True

    def read(self, item: Item) -> tuple[Reading, Record]:
        """The number of a photo, and the boxes to submit."""
        if item.read is not None:
            return item.read
        reading = self.numbers.read(item.record)
        if not self.refine:
            return reading, self.submitted(item.boxes)
        source = item.read_for_boxes
        of_boxes = reading if source is item.record else self.boxes.read(source)
        return reading, self.submitted(refined(item.boxes, of_boxes))

    def submitted(self, boxes: Record) -> Record:
        """The boxes of pred.json, given a photo's boxes, refined where they are to be."""
        return with_alternatives(boxes, self.refine) if self.alternatives else boxes


@dataclass(frozen=True)
class Source:
    """Detections of photos, and what is known about them.

    Attributes:
        items: one per photo; streamed where memory must not grow with them.
        count: of photos.
        name: what the photos are called: a split, or a folder.
        labelled: whether the items hold targets with true digits.
        header: of detections.json.
        scored: the items that the figures are of, where those differ from the items submitted: a
            fusion that was tuned on these photos is scored by settings tuned on others.
        members: of a fusion, the figures of each.
        seconds: already spent on detecting these photos.
        synthetic: whether the photos were drawn, for people who take them for theirs.
        unreadable: names of files that cannot be read, and why; complete when the items have ended.
        open_photo: the pixels of a photo by its image_id, where its file is still there; None:
            no photo is at hand.
    """

    items: Iterable[Item]
    count: int
    name: str
    labelled: bool
    header: dict[str, Any]
    scored: Sequence[Item] | None = None
    members: Sequence[dict[str, Any]] = ()
    seconds: float = 0.0
    synthetic: bool = False
    unreadable: Mapping[str, str] = field(default_factory=dict)
    open_photo: Callable[[int], Tensor | None] | None = None

    def photo(self, item: Item) -> Tensor | None:
        """The pixels of an item's photo, where they can be had."""
        if item.photo is not None or self.open_photo is None:
            return item.photo
        return self.open_photo(item.record["image_id"])

    @property
    def title(self) -> str:
        """How many photos of which kind there are, and what they are called."""
        return titled(self.count, self.name, self.synthetic)


def titled(count: int, name: str, synthetic: bool) -> str:
    """How many photos of which kind there are, and what they are called."""
    kind = "synthetic photo" if synthetic else "photo"
    return f"{count} {kind}{'' if count == 1 else 's'} ({name})"


def is_synthetic(data: PhotoDataset) -> bool:
    """Whether photos are drawn: they have no files."""
    return not len(data.paths)


def opener(data: PhotoDataset) -> Callable[[int], Tensor | None]:
    """Opens photos of a data set again, by their image_id; None where a file is gone."""
    places = {int(image_id): index for index, image_id in enumerate(data.image_ids)}

    def open_photo(image_id: int) -> Tensor | None:
        try:
            return data[places[image_id]][0]
        except DigitsError:
            return None

    return open_photo
