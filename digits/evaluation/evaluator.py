"""Metrics of a whole split: mAP of the boxes, accuracy of the numbers; exact under DDP."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch.distributed as dist

from digits.evaluation.numbers import number_figures
from digits.types import CLASS_NAMES, Detections, Target, target_number

Pair = tuple[Detections, Target]

BACKENDS = ("faster_coco_eval", "pycocotools")
# COCO's own. torchmetrics rounds them to float32, so that a box of IoU 0.6 would not match at 0.6;
# boxes of integer edges often have just such an IoU.
_IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10).tolist()
_RECALL_THRESHOLDS = np.linspace(0, 1, 101).tolist()


class Evaluator:
    """Collects detections and targets photo by photo, then scores them all at once.

    Photos are told apart by `image_id`: the copies that DDP's sampler adds to fill its last batch
    count once, and no photo is dropped, those without boxes included (a false positive on one
    must cost). Every process computes the same figures from all photos.

    Args:
        reader: detections to a number; `None` to score boxes alone.
        backend: `faster_coco_eval`, or `pycocotools` for the same value, slower.
        per_class: AP of every digit as well; evaluates ten times, so keep it for final scores.
    """

    def __init__(
        self,
        reader: Callable[[Detections], str] | None,
        backend: str = "faster_coco_eval",
        per_class: bool = False,
    ) -> None:
        self.reader = reader
        self.backend = backend
        self.per_class = per_class
        self.reset()

    def reset(self) -> None:
        self._photos: dict[int, Pair] = {}

    def update(self, detections: Sequence[Detections], targets: Sequence[Target]) -> None:
        """Add a batch, on any device."""
        for one, target in zip(detections, targets, strict=True):
            self._photos[int(target["image_id"])] = (
                {
                    "boxes": one["boxes"].detach().float().cpu(),
                    "scores": one["scores"].detach().float().cpu(),
                    "labels": one["labels"].detach().cpu(),
                },
                {
                    "image_id": int(target["image_id"]),
                    "boxes": target["boxes"].detach().cpu(),
                    "labels": target["labels"].detach().cpu(),
                },
            )

    def gather(self) -> None:
        """Under DDP, give every process the photos of all; collective, so all must call it."""
        if dist.is_available() and dist.is_initialized():
            shares: list[dict[int, Pair]] = [{}] * dist.get_world_size()
            dist.all_gather_object(shares, self._photos)
            self._photos = {key: value for share in shares for key, value in share.items()}

    def compute(self) -> dict[str, float]:
        """Scores by name: map, map_50, map_75, number_accuracy, digit_error_rate, and so on."""
        pairs = [self._photos[image_id] for image_id in sorted(self._photos)]
        scores = self._mean_average_precision(pairs)
        if self.reader:
            numbers = [self.reader(found) for found, _ in pairs]
            scores |= number_figures(numbers, [target_number(target) for _, target in pairs])
        return scores

    def _mean_average_precision(self, pairs: list[Pair]) -> dict[str, float]:
        from torchmetrics.detection import MeanAveragePrecision  # slow to import

        # Every process holds all photos already, so the metric itself must not sync.
        metric = MeanAveragePrecision(
            iou_thresholds=_IOU_THRESHOLDS,
            rec_thresholds=_RECALL_THRESHOLDS,
            backend=cast(Any, self.backend),
            class_metrics=self.per_class,
            sync_on_compute=False,
        )
        metric.warn_on_many_detections = False
        metric.update(
            [{key: found[key] for key in ("boxes", "scores", "labels")} for found, _ in pairs],
            [{key: target[key] for key in ("boxes", "labels")} for _, target in pairs],
        )
        result = metric.compute()
        scores = {key: float(result[key]) for key in ("map", "map_50", "map_75")}
        if self.per_class:
            classes = result["classes"].reshape(-1).tolist()
            values = result["map_per_class"].reshape(-1).tolist()
            for label, value in zip(classes, values, strict=True):
                if value >= 0:  # -1 marks a class that does not occur
                    scores[f"map_digit_{CLASS_NAMES[label - 1]}"] = value
        return scores


def mean_average_precision(
    records: Sequence[Detections], targets: Sequence[Target], backend: str
) -> float:
    """COCO's mAP (IoU 0.50:0.95) of a split's boxes."""
    evaluator = Evaluator(None, backend)
    evaluator.update(records, targets)
    return evaluator.compute()["map"]
