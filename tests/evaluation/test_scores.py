from typing import Any

import pytest
import torch
from made import exact, row

from digits.evaluation.heights import map_by_height
from digits.evaluation.scores import NONE, confusion_matrix, number_scores
from digits.reading import ThresholdReader


def readings(records: list[dict[str, Any]]) -> list[Any]:
    return [ThresholdReader().read(record) for record in records]


def test_accuracy_by_length_and_height() -> None:
    targets = [row(1, (1, 0)), row(2, (1, 0), (2, 20), height=40), row(3, (5, 0))]
    records = [exact(targets[0]), exact(targets[1], labels=torch.tensor([2, 9])), exact(targets[2])]
    scores = number_scores(readings(records), targets)
    assert scores["number_accuracy"] == pytest.approx(2 / 3)
    assert (scores["accuracy_1_digit"], scores["accuracy_2_digits"]) == (1, 0)
    assert (scores["accuracy_height_18_25"], scores["accuracy_height_37_50"]) == (1, 0)
    assert "accuracy_3_digits" not in scores and "accuracy_height_0_18" not in scores


def test_the_confusion_matrix_counts_confused_missed_and_invented_digits() -> None:
    truth = row(1, (1, 0), (2, 20), (3, 40))
    record = exact(row(1, (1, 0), (8, 20), (7, 80)))
    counts = confusion_matrix(readings([record]), [record], [truth])
    assert counts[1, 1] == counts[2, 8] == counts[3, NONE] == counts[NONE, 7] == 1
    assert counts.sum() == 4


def test_nothing_read_and_nothing_there() -> None:
    empty = row(1)
    assert confusion_matrix(readings([exact(empty)]), [exact(empty)], [empty]).sum() == 0
    scores = number_scores(readings([exact(empty)]), [empty])
    assert scores["number_accuracy"] == scores["coverage_at_98"] == 1


def test_ap_by_height_ignores_digits_of_other_heights() -> None:
    targets = [row(1, (1, 0), height=20), row(2, (1, 0), height=40)]
    nothing = exact(row(2))
    figures = map_by_height([exact(targets[0]), nothing], targets)
    assert figures == pytest.approx({"map_height_18_25": 1, "map_height_37_50": 0})
    assert map_by_height([nothing], [row(2)]) == {}


def test_a_height_at_the_edge_of_two_bins_is_in_one_of_them() -> None:
    """The same as for number accuracy: SVHN's heights are integers."""
    targets = [row(1, (1, 0), height=18), row(2, (1, 0), height=17)]
    assert map_by_height([exact(t) for t in targets], targets).keys() == {
        "map_height_0_18", "map_height_18_25",
    }  # fmt: skip
    figures = map_by_height(
        [exact(targets[0], labels=torch.tensor([9])), exact(targets[1])], targets
    )
    assert figures == pytest.approx({"map_height_0_18": 1, "map_height_18_25": 0})
    names = [
        name
        for name in number_scores(readings([exact(targets[0])]), targets[:1])
        if "height" in name
    ]
    assert names == ["accuracy_height_18_25"]
