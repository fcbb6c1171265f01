from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made import exact, row, target

from digits.evaluation.evaluator import BACKENDS, Evaluator
from digits.reading import ThresholdReader


def score(pairs: list[Any], backend: str = BACKENDS[0], **kwargs: Any) -> dict[str, float]:
    evaluation = Evaluator(ThresholdReader(), backend, **kwargs)
    for detections, truth in pairs:
        evaluation.update([detections], [truth])
    evaluation.gather()  # a single process: nothing to gather
    return evaluation.compute()


def random_photos(seed: int, count: int = 12) -> list[Any]:
    """Photos with 0-4 digits; detections are jittered, dropped, doubled and misread truths."""
    g = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=g)

    pairs = []
    for image_id in range(count):
        n = int(uniform(1) * 5)
        digits = [(int(uniform(1) * 10), 16.0 * k) for k in range(n)]
        truth = row(image_id, *digits)
        boxes = truth["boxes"].repeat(2, 1) + uniform(2 * n, 4) * 4 - 2
        labels = truth["labels"].repeat(2)
        wrong = uniform(2 * n) < 0.2
        labels[wrong] = labels[wrong] % 10 + 1
        keep = uniform(2 * n) < 0.7
        scores = uniform(int(keep.sum()))
        pairs.append(({"boxes": boxes[keep], "labels": labels[keep], "scores": scores}, truth))
    return pairs


@pytest.mark.parametrize("seed", range(4))
def test_both_backends_give_the_same_values(seed: int) -> None:
    pairs = random_photos(seed)
    ours, reference = (score(pairs, backend, per_class=True) for backend in BACKENDS)
    assert ours.keys() == reference.keys()
    assert ours == pytest.approx(reference, abs=1e-6)
    assert 0 < ours["map"] < ours["map_50"] < 1


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("twentieths", range(10, 21))
def test_a_box_counts_at_the_threshold_that_it_just_reaches(backend: str, twentieths: int) -> None:
    """As COCO counts it; refined boxes have integer edges, so that this happens often."""
    truth = target([[0, 0, 10, 20]], [3])
    box = torch.tensor([[0.0, 0, 10, twentieths]])  # of that part of the true one's area
    scores = score([(exact(truth) | {"boxes": box}, truth)], backend)
    assert scores["map"] == pytest.approx(min(twentieths - 9, 10) / 10)


def naive_map(pairs: list[Any]) -> float:
    """COCO's mAP by the book: greedy matches by falling score, precision at 101 recalls."""
    precisions = []
    for threshold in np.linspace(0.5, 0.95, 10):
        for label in {int(k) for _, truth in pairs for k in truth["labels"]}:
            hits, count = [], 0
            for found_, truth in pairs:
                free = truth["boxes"][truth["labels"] == label].tolist()
                count += len(free)
                mine = found_["labels"] == label
                boxes, scores = found_["boxes"][mine].tolist(), found_["scores"][mine].tolist()
                for value, box in sorted(zip(scores, boxes, strict=True), reverse=True):
                    overlaps = [overlap(box, other) for other in free]
                    hit = bool(free) and max(overlaps) >= threshold
                    if hit:
                        free.pop(overlaps.index(max(overlaps)))
                    hits.append((value, hit))
            right = np.cumsum([hit for _, hit in sorted(hits, reverse=True)])
            precision, recall = right / np.arange(1, len(right) + 1), right / count
            for wanted in np.linspace(0, 1, 101):
                precisions.append(precision[recall >= wanted].max(initial=0.0))
    return float(np.mean(precisions))


def overlap(one: list[float], other: list[float]) -> float:
    sides = [min(one[k + 2], other[k + 2]) - max(one[k], other[k]) for k in (0, 1)]
    shared = max(sides[0], 0) * max(sides[1], 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


@pytest.mark.parametrize("seed", range(3))
def test_map_is_what_a_calculation_by_the_book_gives(seed: int) -> None:
    pairs = random_photos(seed)
    for detections, truth in pairs[::2]:  # integer edges: IoUs that just reach a threshold
        detections["boxes"], truth["boxes"] = detections["boxes"].round(), truth["boxes"].round()
    assert score(pairs)["map"] == pytest.approx(naive_map(pairs), abs=1e-6)


def test_what_is_found_exactly_scores_one() -> None:
    truths = [row(1, (1, 0), (2, 20)), row(2, (0, 0))]
    scores = score([(exact(t), t) for t in truths])
    assert scores["map"] == scores["map_50"] == scores["map_75"] == pytest.approx(1)
    assert scores["number_accuracy"] == 1 and scores["digit_error_rate"] == 0


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("per_class", [False, True])
def test_nothing_found_at_all_scores_zero(backend: str, per_class: bool) -> None:
    truths = [row(1, (1, 0), (2, 20)), row(2, (0, 0))]
    scores = score([(exact(row(0)), t) for t in truths], backend, per_class=per_class)
    assert scores["map"] == scores["map_50"] == scores["map_75"] == 0
    assert scores["number_accuracy"] == 0 and scores["digit_error_rate"] == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_false_positive_on_a_photo_without_boxes_costs(backend: str) -> None:
    truth = row(1, (1, 0))
    ghost = exact(row(2, (1, 0)), score=0.95)  # surer than the true one
    right = [(exact(truth), truth)]
    assert score([*right, (exact(row(0)), row(2))], backend)["map"] == pytest.approx(1)
    with_ghost = score([*right, (ghost, row(2))], backend)
    assert with_ghost["map"] == pytest.approx(0.5)
    assert with_ghost["number_accuracy"] == 0.5


def test_a_photo_seen_twice_counts_once() -> None:
    pairs = random_photos(5)
    assert score([*pairs, *pairs[:3]]) == score(pairs)
    right, wrong = row(1, (1, 0)), row(2, (2, 0))
    figures = score([(exact(right), right), (exact(row(0)), wrong), (exact(row(0)), wrong)])
    assert figures["number_accuracy"] == 0.5


@settings(max_examples=10, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_the_order_of_photos_does_not_matter(random: Any) -> None:
    pairs = random_photos(6, count=5)
    before = score(pairs)
    random.shuffle(pairs)
    assert score(pairs) == before


def test_ap_of_every_digit_that_occurs() -> None:
    truths = [row(1, (1, 0), (2, 20)), row(2, (0, 0))]
    pairs = [(exact(truths[0]), truths[0]), (exact(row(0)), truths[1])]
    scores = score(pairs, per_class=True)
    assert {k: v for k, v in scores.items() if k.startswith("map_digit")} == pytest.approx(
        {"map_digit_0": 0, "map_digit_1": 1, "map_digit_2": 1}
    )
    assert scores["map"] == pytest.approx(2 / 3)
    assert not any(k.startswith("map_digit") for k in score(pairs))


def test_one_class_alone_works_per_class() -> None:
    truth = row(1, (7, 0))
    assert score([(exact(truth), truth)], per_class=True)["map_digit_7"] == pytest.approx(1)


def test_reset_forgets() -> None:
    truth = row(1, (1, 0))
    evaluation = Evaluator(ThresholdReader())
    evaluation.update([exact(row(0))], [row(9, (3, 0))])
    evaluation.reset()
    evaluation.update([exact(truth)], [truth])
    assert evaluation.compute()["map"] == pytest.approx(1)
