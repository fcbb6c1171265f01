"""Detector and recogniser weighed together: the more probable number, and how probable it is."""

import json
from pathlib import Path
from typing import Any

import made
import numpy as np
import pytest
import torch
from simulated import simulate

from digits.detections import read_detections, write_detections
from digits.ensemble import Fusion
from digits.reading import CalibratedReader
from digits.reading.crossfit import cross_fit
from digits.reading.text_fit import fit_text_weights
from digits.reading.texts import EVIDENCE, PRIOR, Rows, decide_text
from digits.types import CLASS_NAMES, Reading, RowTexts, reading_labels, target_number


def with_rows(records: list[Any], targets: list[Any], skill: float, seed: int = 0) -> list[Any]:
    """Records as a recogniser of some skill reads them: the true row, and one without its end."""
    rng = np.random.default_rng(seed)
    read = []
    for record, target in zip(records, targets, strict=True):
        truth = target_number(target)
        boxes = target["boxes"].tolist()
        wrong = "".join(str(rng.integers(10)) for _ in truth)
        right = rng.random() < skill
        texts = {truth: -0.2 if right else -3.0, wrong: -3.0 if right else -0.5}
        rows: list[RowTexts] = [{"boxes": boxes, "weight": -0.1, "texts": texts}]
        if len(boxes) > 1:
            shorter = {truth[:-1]: -1.0, **dict.fromkeys(texts, -8.0)}
            rows.append({"boxes": boxes[:-1], "weight": -2.3, "texts": shorter})
            rows[0]["texts"] = {truth[:-1]: -8.0, **texts}
        read.append(record | {"rows": rows})
    return read


def accuracy(records: list[Any], targets: list[Any]) -> float:
    readings = cross_fit(CalibratedReader(), records, targets, folds=5)
    return float(
        np.mean([r.matches(target_number(t)) for r, t in zip(readings, targets, strict=True)])
    )


@pytest.fixture(scope="module")
def photos() -> tuple[list[Any], list[Any]]:
    return simulate(120)


@pytest.fixture(scope="module")
def read(photos: Any) -> list[Any]:
    return with_rows(*photos, skill=0.85)


def test_both_opinions_read_better_than_the_detector(photos: Any, read: list[Any]) -> None:
    records, targets = photos
    assert accuracy(read, targets) > accuracy(records, targets) + 0.05


def test_what_was_fitted_is_plain_and_reads_the_same(photos: Any, read: list[Any]) -> None:
    reader = CalibratedReader().fit(read, photos[1])
    state = json.loads(json.dumps(reader.state))
    assert state["texts"]["evidence"] == list(EVIDENCE) and min(state["texts"]["weights"]) >= 0
    again = CalibratedReader().load_state(state)
    assert "with what a recogniser reads" in again.description
    for record in read[:20]:
        one, other = reader.read(record), again.read(record)
        assert (one.number, one.confidence) == (other.number, other.confidence)
        assert 0 <= one.confidence <= 1 and one.runner_up != one.number


def test_it_reads_on_without_a_recogniser(photos: Any, read: list[Any]) -> None:
    """By the detector alone, exactly as a reader that was fitted without one."""
    both, alone = (CalibratedReader().fit(records, photos[1]) for records in (read, photos[0]))
    assert alone.state is not None and "texts" not in alone.state
    for record in photos[0][:20]:
        assert both.read(record).number == alone.read(record).number
    for record in read[:20]:  # and rows mean nothing to a reader that was not fitted to any
        assert alone.read(record).number == alone.read(record | {"rows": []}).number


def test_a_photo_without_boxes(photos: Any, read: list[Any]) -> None:
    reader = CalibratedReader().fit(read, photos[1])
    empty = read[0] | made.detections() | {"rows": []}
    assert reader.read(empty).number == "-1"


def test_rows_survive_the_file(read: list[Any], tmp_path: Path) -> None:
    record = read[0] | {"height": 1000, "width": 1000}  # simulated boxes leave their photo
    write_detections(tmp_path / "a.json", {"class_names": list(CLASS_NAMES)}, [record])
    _, (again,) = read_detections(tmp_path / "a.json")
    for one, other in zip(read[0]["rows"], again["rows"], strict=True):
        assert np.allclose(one["boxes"], other["boxes"], atol=0.006)
        assert one["texts"] == pytest.approx(other["texts"], abs=1e-3)


def test_members_of_a_fusion_have_an_equal_say(read: list[Any]) -> None:
    record = read[0]
    fused = Fusion((1.0, 1.0))([record, record])
    assert len(fused["rows"]) == 2 * len(record["rows"])
    shares = [np.exp([row["weight"] for row in r["rows"]]).sum() for r in (fused, record)]
    assert shares[0] == pytest.approx(shares[1])


def rows(*evidence: list[list[float]], texts: list[str]) -> Rows:
    places = [np.arange(len(texts[0])) for _ in evidence]
    return Rows(texts, places, np.array(evidence))


def test_the_weights_that_make_the_truth_most_probable() -> None:
    """Where only the recogniser is right, it counts for more; the prior keeps the rest."""
    right = [0.0, -0.1, -3.0, 0.0, -0.6]
    wrong = [0.0, -4.0, -0.1, 0.0, -0.6]
    photos = [rows([right, wrong], texts=["12", "34"]) for _ in range(50)]
    weights = fit_text_weights(photos, ["12"] * 50)
    assert weights[1] > PRIOR[1] and weights[2] < PRIOR[2] and (weights >= 0).all()
    assert decide_text(photos[0], weights).text == "12"
    against = fit_text_weights(photos, ["34"] * 50)
    assert against[1] < weights[1] and decide_text(photos[0], against).text == "34"
    assert (fit_text_weights(photos, ["99"] * 50) == PRIOR).all()  # nothing to learn from


def test_probabilities_add_up_and_the_runner_up_is_the_second() -> None:
    photo = rows([[0, -1, 0, 0, 0], [0, -2, 0, 0, 0], [0, -9, 0, 0, 0]], texts=["1", "2", "3"])
    assert np.exp(photo.log_shares(PRIOR)).sum() == pytest.approx(1)
    decision = decide_text(photo, PRIOR)
    assert (decision.text, decision.runner_up) == ("1", "2")


def test_digits_are_shown_as_they_are_read() -> None:
    labels = torch.tensor([7, 4])  # the detector's 6 and 3
    assert reading_labels(Reading("62", np.array([0, 1]), 1.0), labels).tolist() == [7, 3]
    assert reading_labels(Reading("6", np.array([0, 1]), 1.0), labels).tolist() == [7, 4]
    assert reading_labels(Reading("-1", np.zeros(0, dtype=np.int64), 0.0), labels).tolist() == []
