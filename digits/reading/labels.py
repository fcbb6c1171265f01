"""Read the true digits from a COCO file, without its photos."""

from collections.abc import Sequence
from pathlib import Path

import torch

from digits.data.cleaning import boxes_by_photo
from digits.data.coco_json import read_coco
from digits.errors import DigitsError
from digits.types import Record, Target


def read_targets(path: Path) -> dict[int, Target]:
    """Targets by image_id, boxes clipped to their photos.

    Raises:
        DigitsError: no such file, or it is not COCO JSON of digits.
    """
    if not path.exists():
        raise DigitsError(f"{path}: no such file of labels; give a COCO valid.json.")
    annotations = read_coco(path)
    boxes, labels, starts = boxes_by_photo(annotations, path)
    if len(annotations.image_ids) and not len(labels):
        raise DigitsError(f"{path}: no boxes; expected the true digits of the photos.")
    targets: dict[int, Target] = {}
    for index, image_id in enumerate(annotations.image_ids.tolist()):
        rows = slice(starts[index], starts[index + 1])
        targets[image_id] = {
            "image_id": image_id,
            "boxes": torch.from_numpy(boxes[rows]),
            "labels": torch.from_numpy(labels[rows]),
        }
    return targets


def read_targets_of(records: Sequence[Record], path: Path) -> list[Target]:
    """The targets of records of detections, in their order.

    Raises:
        DigitsError: as `read_targets`; the file lacks some of the photos.
    """
    targets = read_targets(path)
    lacking = [record["image_id"] for record in records if record["image_id"] not in targets]
    if lacking or not records:
        first = f" (image_id {lacking[0]} is the first)" if lacking else ""
        raise DigitsError(
            f"{path}: {len(lacking)} of the {len(records)} photos with detections are not in it"
            f"{first}; give the labels of the split that was detected."
        )
    return [targets[record["image_id"]] for record in records]
