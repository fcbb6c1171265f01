"""Average precision by the height of digits, in bins that fit SVHN."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from digits.types import Detections, Target

# Pixels of the photo. COCO's bins (area 32^2, 96^2) hold nearly all of SVHN's digits in one; these
# hold 13, 23, 32, 18 and 15 % of SVHN train.
HEIGHTS = (0, 18, 25, 37, 50, float("inf"))
HEIGHT_NAMES = [
    f"height_{low}_{high}" if high < float("inf") else f"height_{low}_up"
    for low, high in pairwise(HEIGHTS)
]


def map_by_height(detections: Sequence[Detections], targets: Sequence[Target]) -> dict[str, float]:
    """COCO's mAP (IoU 0.50:0.95) of digits in bins of height; bins without digits are left out.

    COCO's own evaluation by size, with heights in the place of areas: digits of other bins are
    ignored, and so are boxes of other heights that match no digit.
    """
    truth, detected = _coco(targets), _coco(detections)
    bins = list(pairwise(HEIGHTS))
    truth.createIndex()
    detected.createIndex()
    run = COCOeval_faster(truth, detected, "bbox")
    # COCO's bins hold both their ends, and heights are often just such an end.
    run.params.areaRng = [[low, np.nextafter(high, 0)] for low, high in bins]
    run.params.areaRngLbl = HEIGHT_NAMES
    run.params.maxDets = [100]
    if truth.dataset["annotations"]:
        run.evaluate()
        run.accumulate()
    if not run.eval:
        return {}
    precision = run.eval["precision"][..., -1]  # IoU, recall, class, height
    means = {}
    for index, name in enumerate(HEIGHT_NAMES):
        values = precision[:, :, :, index]
        if (values > -1).any():  # -1 marks what does not occur
            means[f"map_{name}"] = float(np.mean(values[values > -1]))
    return means


def _coco(photos: Sequence[Mapping[str, Any]]) -> COCO:
    annotations: list[dict[str, Any]] = []
    for image_id, photo in enumerate(photos):
        scores = photo["scores"].tolist() if "scores" in photo else [1.0] * len(photo["labels"])
        rows = zip(photo["boxes"].tolist(), photo["labels"].tolist(), scores, strict=True)
        for (left, top, right, bottom), label, score in rows:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": label,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": bottom - top,  # what the bins are of
                    "iscrowd": 0,
                    "score": score,
                }
            )
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image_id} for image_id in range(len(photos))],
        "categories": [{"id": label} for label in range(1, 11)],
        "annotations": annotations,
    }
    return coco
