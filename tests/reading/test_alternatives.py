"""Alternatives of boxes: what they leave as it is, and what they are for."""

import made
import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from digits.evaluation.evaluator import mean_average_precision
from digits.reading.alternatives import with_alternatives
from digits.types import Record, Target


def record(
    boxes: list[list[float]], scores: list[float], size: tuple[int, int] = (40, 90)
) -> Record:
    labels = np.arange(len(boxes)) % 10 + 1
    return made.record(made.detections(boxes, scores, labels), size=size)


@st.composite
def records(draw: st.DrawFn) -> Record:
    height, width = draw(st.integers(1, 60)), draw(st.integers(1, 120))
    boxes, scores = [], []
    for _ in range(draw(st.integers(0, 120))):
        x, y = draw(st.floats(0, width - 0.5)), draw(st.floats(0, height - 0.5))
        w, h = draw(st.floats(0.25, width)), draw(st.floats(0.25, height))
        boxes.append([x, y, min(x + w, width), min(y + h, height)])
        scores.append(draw(st.floats(0, 1, width=32)))
    return record(boxes, scores, (height, width))


@given(records(), st.booleans())
def test_each_box_stays_and_no_alternative_is_surer_or_leaves_the_photo(
    found: Record, whole_pixels: bool
) -> None:
    result = with_alternatives(found, whole_pixels)
    kept = max(100, len(found["boxes"]))
    assert len(found["boxes"]) <= len(result["boxes"]) <= min(kept, 5 * len(found["boxes"]))
    assert (result["scores"].diff() <= 0).all()
    sure = found["scores"] > 0.15 * found["scores"].max() if len(found["scores"]) else []
    rows = {tuple(row.tolist()) for row in result["boxes"]}
    assert all(tuple(row.tolist()) in rows for row in found["boxes"][sure])
    limits = torch.tensor([found["width"], found["height"]] * 2)
    assert ((result["boxes"] >= 0) & (result["boxes"] <= limits)).all()
    assert (result["boxes"][:, 2:] > result["boxes"][:, :2]).all()
    assert result["labels"].dtype == torch.int64


def test_a_digit_gets_four_and_what_is_hardly_one_gets_none() -> None:
    found = record([[10, 10, 20, 30], [50, 10, 60, 30]], [0.9, 0.01])
    result = with_alternatives(found, whole_pixels=True)
    assert result["labels"].tolist().count(1) == 5 and result["labels"].tolist().count(2) == 1
    assert result["boxes"][0].tolist() == [10, 10, 20, 30] and result["scores"][1] < 0.2
    assert torch.equal(result["boxes"], result["boxes"].round())


def test_nothing_found_stays_nothing() -> None:
    assert len(with_alternatives(record([], []), whole_pixels=True)["boxes"]) == 0


def test_map_gains_where_labels_scatter_as_annotators_do() -> None:
    random = np.random.default_rng(0)
    found, targets = [], []
    for image_id in range(60):
        boxes = np.array([[10 + 14 * n, 8, 22 + 14 * n, 32] for n in range(3)], dtype=float)
        labelled = boxes + random.normal(0, 1.2, boxes.shape)
        found.append(record(boxes.tolist(), [0.9, 0.8, 0.7]) | {"image_id": image_id})
        labels = torch.tensor([1, 2, 3])
        targets.append(Target(boxes=torch.tensor(labelled), labels=labels, image_id=image_id))
    more = [with_alternatives(one, whole_pixels=False) for one in found]
    gain = mean_average_precision(more, targets, "faster_coco_eval") - mean_average_precision(
        found, targets, "faster_coco_eval"
    )
    assert gain > 0.02
