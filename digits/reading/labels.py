"""True digits from a COCO file alone, without its photos."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch

from digits.errors import DigitsError
from digits.types import Record, Target


def read_targets(path: Path) -> dict[int, Target]:
    """Targets by image_id, boxes clipped to their photos.

    Raises:
        DigitsError: no such file, or it is not COCO JSON of digits.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        sizes = {int(i["id"]): (float(i["width"]), float(i["height"])) for i in content["images"]}
        digits: dict[int, list[list[float]]] = {image_id: [] for image_id in sizes}
        for item in content["annotations"]:
            x, y, width, height = item["bbox"]
            digits[item["image_id"]].append([x, y, x + width, y + height, item["category_id"]])
    except FileNotFoundError as error:
        raise DigitsError(f"{path}: no such file of labels; give a COCO valid.json.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DigitsError(
            f"{path}: {error!r}; expected COCO JSON: {{images, annotations, categories}}."
        ) from error
    targets: dict[int, Target] = {}
    for image_id, rows in digits.items():
        table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
        boxes = torch.minimum(table[:, :4].clamp(min=0), torch.tensor(sizes[image_id] * 2))
        whole = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
        targets[image_id] = {
            "image_id": image_id,
            "boxes": boxes[whole],
            "labels": table[whole, 4].long(),
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
