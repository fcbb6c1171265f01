from typing import Any

import pytest
import torch

from digits.evaluation.heights import map_by_height
from digits.evaluation.scores import NONE, confusion_matrix, number_scores
from digits.reading import ThresholdReader


def target(image_id: int, *digits: tuple[int, float], height: float = 20) -> dict[str, Any]:
    """Digits as (digit, left edge), 10 wide."""
    boxes = [[x, 2.0, x + 10, 2 + height] for _, x in digits]
    return {
        "image_id": image_id,
        "boxes": torch.tensor(boxes).reshape(-1, 4),
        "labels": torch.tensor([d + 1 for d, _ in digits], dtype=torch.int64),
    }


def found(truth: dict[str, Any], **changes: Any) -> dict[str, Any]:
    exact = {"boxes": truth["boxes"], "labels": truth["labels"]}
    return exact | {"scores": torch.full((len(truth["labels"]),), 0.9)} | changes


def readings(records: list[dict[str, Any]]) -> list[Any]:
    return [ThresholdReader().read(record) for record in records]


def test_accuracy_by_length_and_height() -> None:
    targets = [target(1, (1, 0)), target(2, (1, 0), (2, 20), height=40), target(3, (5, 0))]
    records = [found(targets[0]), found(targets[1], labels=torch.tensor([2, 9])), found(targets[2])]
    scores = number_scores(readings(records), targets)
    assert scores["number_accuracy"] == pytest.approx(2 / 3)
    assert (scores["accuracy_1_digit"], scores["accuracy_2_digits"]) == (1, 0)
    assert (scores["accuracy_height_18_25"], scores["accuracy_height_37_50"]) == (1, 0)
    assert "accuracy_3_digits" not in scores and "accuracy_height_0_18" not in scores


def test_the_confusion_matrix_counts_confused_missed_and_invented_digits() -> None:
    truth = target(1, (1, 0), (2, 20), (3, 40))
    boxes = torch.tensor([[0, 2, 10, 22], [20, 2, 30, 22], [80, 2, 90, 22]]).float()
    record = {"boxes": boxes, "labels": torch.tensor([2, 9, 8]), "scores": torch.full((3,), 0.9)}
    counts = confusion_matrix(readings([record]), [record], [truth])
    assert counts[1, 1] == counts[2, 8] == counts[3, NONE] == counts[NONE, 7] == 1
    assert counts.sum() == 4


def test_nothing_read_and_nothing_there() -> None:
    empty = target(1)
    assert confusion_matrix(readings([found(empty)]), [found(empty)], [empty]).sum() == 0
    scores = number_scores(readings([found(empty)]), [empty])
    assert scores["number_accuracy"] == scores["coverage_at_98"] == 1


def test_ap_by_height_ignores_digits_of_other_heights() -> None:
    targets = [target(1, (1, 0), height=20), target(2, (1, 0), height=40)]
    nothing = found(target(2))
    figures = map_by_height([found(targets[0]), nothing], targets)
    assert figures == pytest.approx({"map_height_18_25": 1, "map_height_37_50": 0})
    assert map_by_height([nothing], [target(2)]) == {}


def test_a_height_at_the_edge_of_two_bins_is_in_one_of_them() -> None:
    """The same as for number accuracy: SVHN's heights are integers."""
    targets = [target(1, (1, 0), height=18), target(2, (1, 0), height=17)]
    assert map_by_height([found(t) for t in targets], targets).keys() == {
        "map_height_0_18", "map_height_18_25",
    }  # fmt: skip
    figures = map_by_height(
        [found(targets[0], labels=torch.tensor([9])), found(targets[1])], targets
    )
    assert figures == pytest.approx({"map_height_0_18": 1, "map_height_18_25": 0})
    names = [
        name
        for name in number_scores(readings([found(targets[0])]), targets[:1])
        if "height" in name
    ]
    assert names == ["accuracy_height_18_25"]
