"""Read the true digits from a COCO file, without its photos."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch

from digits.data.annotations import Annotations
from digits.data.cleaning import boxes_by_photo
from digits.data.coco_json import read_coco
from digits.errors import DigitsError
from digits.types import Record, Target


def read_targets(path: Path) -> dict[int, Target]:
    """Targets by image_id, boxes clipped to their photos.

    Raises:
        DigitsError: no such file, or it is not COCO JSON of digits.
    """
    return _targets(_annotations(path), path)


def read_targets_of(records: Sequence[Record], path: Path) -> list[Target]:
    """The targets of records of detections, in their order.

    Raises:
        DigitsError: as `read_targets`; no records; the file lacks some of the photos, or has others
            under their ids.
    """
    if not records:
        raise DigitsError(f"{path}: there are no photos with detections to score by it.")
    annotations = _annotations(path)
    targets = _targets(annotations, path)
    lacking = [record["image_id"] for record in records if record["image_id"] not in targets]
    if lacking:
        raise DigitsError(
            f"{path}: {len(lacking)} of the {len(records)} photos with detections are not in it "
            f"(image_id {lacking[0]} is the first); give the labels of the split that was detected."
        )
    _refuse_others(records, annotations, path)
    return [targets[record["image_id"]] for record in records]


def _annotations(path: Path) -> Annotations:
    if not path.exists():
        raise DigitsError(f"{path}: no such file of labels; give a COCO valid.json.")
    return read_coco(path)


def _targets(annotations: Annotations, path: Path) -> dict[int, Target]:
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


def _refuse_others(records: Sequence[Record], annotations: Annotations, path: Path) -> None:
    """Refuse labels of other photos, which ids that count from 1 do not tell apart.

    A photo may have been renamed, and a tool may ignore that a camera turned it; but one of another
    size, or one whose name has another id, is another.
    """
    places = {image_id: n for n, image_id in enumerate(annotations.image_ids.tolist())}
    names = [_name(name) for name in annotations.file_names.tolist()]
    known = Counter(names)
    for record in records:
        place, size = places[record["image_id"]], [record["height"], record["width"]]
        height, width = annotations.sizes[place].tolist()
        name = _name(record["file_name"])
        elsewhere = name != names[place] and known[name] == 1
        if elsewhere or size not in ([height, width], [width, height]):
            raise DigitsError(
                f"{path}: image_id {record['image_id']} is another photo there ({names[place]}, "
                f"{width} x {height}) than in the detections ({name}, {size[1]} x {size[0]}); give "
                "the labels of the photos that were detected (predict.py data=coco data.root=DIR "
                "takes their ids from them)."
            )


def _name(path: str) -> str:
    return unicodedata.normalize("NFC", PurePosixPath(path.replace("\\", "/")).name)
