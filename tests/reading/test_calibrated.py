"""The calibrated reader, on simulated detections."""

import json
import time
from typing import Any

import made
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import simulate

from digits.errors import DigitsError
from digits.evaluation.confidence import expected_calibration_error
from digits.geometry import match
from digits.reading import CalibratedReader, CascadeReader, ThresholdReader, features
from digits.reading.compare import advantages, compare, rescaled
from digits.reading.crossfit import bootstrap_interval, cross_fit, was_fitted_to
from digits.reading.fit import folds_of
from digits.reading.refine import refine
from digits.types import target_number

quick = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def photos() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return simulate(400)


@pytest.fixture(scope="module")
def reader(photos: Any) -> CalibratedReader:
    return CalibratedReader().fit(*photos)


def accuracy(readings: list[Any], targets: list[dict[str, Any]]) -> float:
    pairs = zip(readings, targets, strict=True)
    return float(np.mean([r.number == target_number(t) for r, t in pairs]))


def test_it_reads_new_photos_better_than_any_threshold(reader: CalibratedReader) -> None:
    records, targets = simulate(300, seed=1)
    rules = [ThresholdReader(t / 20) for t in range(1, 20)] + [CascadeReader()]
    best = max(accuracy([rule.read(r) for r in records], targets) for rule in rules)
    readings = [reader.read(record) for record in records]
    assert accuracy(readings, targets) > best
    sure = np.array([r.confidence for r in readings])
    right = np.array([r.number == target_number(t) for r, t in zip(readings, targets, strict=True)])
    assert expected_calibration_error(sure, right) < 0.06
    # Where it errs, the runner-up is often the number.
    seconds = [r.runner_up == target_number(t) for r, t in zip(readings, targets, strict=True)]
    assert np.mean(np.array(seconds)[~right]) > 0.3


def test_rescaled_scores_change_nothing_that_matters(photos: Any) -> None:
    records, targets = (part[:70] for part in photos)
    plain, scaled = compare(records, targets), compare(rescaled(records, 0.3), targets)
    assert abs(plain[-1].accuracy - scaled[-1].accuracy) <= 0.005
    assert plain[0].accuracy - scaled[0].accuracy > 0.2  # a fixed threshold collapses
    assert len(advantages(plain)) == len(plain) - 1


def test_the_same_photos_from_farther_away_are_others(photos: Any) -> None:
    """Or the figures of one would be taken for those of the other."""
    records, targets = photos
    reader = CalibratedReader().fit(records, targets)
    assert was_fitted_to(reader, targets) and was_fitted_to(reader, targets[::-1])
    assert not was_fitted_to(reader, [t | {"boxes": t["boxes"] / 2} for t in targets])


def test_cross_fitting_shows_no_photo_to_its_own_reader(photos: Any) -> None:
    records, targets = (part[:60] for part in photos)
    seen = []

    class Spy(ThresholdReader):
        def fit(self, records: Any, targets: Any) -> "Spy":
            spy = Spy()
            spy.known = {r["image_id"] for r in records}
            return spy

        def read(self, detections: dict[str, Any]) -> Any:
            assert detections["image_id"] not in self.known
            seen.append(detections["image_id"])
            return super().read(detections)

    readings = cross_fit(Spy(), records, targets)
    assert sorted(seen) == [r["image_id"] for r in records]
    assert [r.number for r in readings] == [ThresholdReader()(r) for r in records]


def test_what_was_fitted_is_plain_data_that_reads_the_same(
    photos: Any, reader: CalibratedReader
) -> None:
    stored = json.loads(json.dumps(reader.state))
    again = CalibratedReader().load_state(stored)
    for record in photos[0][:50]:
        assert again.read(record).confidence == reader.read(record).confidence
        assert again(record) == reader(record)


def test_a_fit_of_another_version_is_refused(reader: CalibratedReader) -> None:
    other = dict(reader.state or {}, features=["score"])
    with pytest.raises(DigitsError, match=r"weighs \['score'\], expected .* train again"):
        CalibratedReader(state=other)


def test_with_few_labelled_photos_the_threshold_reads_and_it_says_so(photos: Any) -> None:
    records, targets = (part[:49] for part in photos)
    few = CalibratedReader(score_threshold=0.3).fit(records, targets)
    assert few.state is None
    assert few.description == "threshold 0.3 (not calibrated: takes 50 photos)"
    assert [few(r) for r in records] == [ThresholdReader(0.3)(r) for r in records]


def test_evidence_can_be_left_out(photos: Any, reader: CalibratedReader) -> None:
    without = CalibratedReader(ignore=["line", "gap"]).fit(*photos).state
    assert without is not None and reader.state is not None
    columns = [without["features"].index(name) for name in ("line", "gap")]
    for fitted, weighed in ((without, False), (reader.state, True)):
        assert np.array(fitted["weights"])[:, columns].any() == weighed
    with pytest.raises(DigitsError, match="reading.ignore: unknown evidence 'lime'; there is"):
        CalibratedReader(ignore=["lime"])


def test_boxes_that_more_models_found_are_trusted_more(photos: Any) -> None:
    records, targets = (part[:70] for part in photos)
    voted = []
    for record, target in zip(records, targets, strict=True):
        shown = match(record["boxes"].numpy(), target["boxes"].numpy()) >= 0
        voted.append(record | {"votes": torch.from_numpy(np.where(shown, 5, 1))})
    fitted = CalibratedReader().fit(voted, targets)
    sure, unsure = (
        fitted.read(line((10, 5, 1, 0.5)) | {"votes": torch.tensor([votes])}).confidence
        for votes in (5, 1)
    )
    assert sure > unsure


@pytest.mark.parametrize("boxes_are", ["all right", "all wrong"])
def test_detections_of_a_single_kind_can_be_fitted(photos: Any, boxes_are: str) -> None:
    _, targets = (part[:60] for part in photos)
    records = []
    for target in targets:
        exact = {key: target[key] for key in ("image_id", "boxes", "labels")}
        records.append(exact | {"scores": torch.full((len(target["labels"]),), 0.9)})
        if boxes_are == "all wrong":
            records[-1]["boxes"] = records[-1]["boxes"] + 1000
    fitted = CalibratedReader().fit(records, targets)
    readings = [fitted.read(record) for record in records]
    assert all(reading.number != "-1" for reading in readings)
    if boxes_are == "all right":
        assert accuracy(readings, targets) == 1
        assert all(0.5 < reading.confidence <= 1 for reading in readings)
    else:
        assert all(0 <= reading.confidence < 0.5 for reading in readings)


rows = st.lists(
    st.tuples(
        st.integers(0, 200), st.integers(0, 60), st.integers(1, 30), st.integers(1, 40),
        st.integers(1, 10), st.sampled_from([0.0, 0.001, 0.2, 0.5, 0.99, 1.0]),
    ),
    max_size=14,
)  # fmt: skip


def found(drawn: list[Any]) -> Any:
    boxes = [[x, y, x + w, y + h] for x, y, w, h, *_ in drawn]
    return made.detections(boxes, [s for *_, s in drawn], [label for *_, label, _ in drawn])


@quick
@given(drawn=rows, random=st.randoms(use_true_random=False))
def test_the_order_of_detections_does_not_matter(
    reader: CalibratedReader, drawn: list[Any], random: Any
) -> None:
    before = reader.read(found(drawn))
    random.shuffle(drawn)
    after = reader.read(found(drawn))
    assert (after.number, after.runner_up) == (before.number, before.runner_up)
    assert after.confidence == pytest.approx(before.confidence)


@quick
@given(drawn=rows)
def test_a_digit_wherever_there_is_a_box_and_a_confidence_that_is_a_share(
    reader: CalibratedReader, drawn: list[Any]
) -> None:
    detections = found(drawn)
    reading = reader.read(detections)
    assert (reading.number == "-1") == (not drawn)
    assert 0 <= reading.confidence <= 1
    assert reading.runner_up != reading.number
    if drawn:
        digits = detections["labels"][reading.indices] - 1
        assert reading.number == "".join(str(int(d)) for d in digits)


def line(*digits: tuple[float, float, int, float]) -> dict[str, Any]:
    """Digits as (left, top, digit, score), 12 wide and 24 high."""
    return found([(x, y, 12, 24, digit + 1, score) for x, y, digit, score in digits])


@pytest.mark.parametrize(
    ("detections", "number"),
    [
        (line((10, 5, 1, 0.98), (22, 5, 2, 0.97)), "12"),
        (line((22, 5, 2, 0.97), (10, 5, 1, 0.98)), "12"),
        (line((10, 5, 3, 0.55), (10, 5, 8, 0.42)), "3"),  # two classes on one digit
        (line((10, 5, 3, 0.97), (10, 5, 8, 0.02), (22, 5, 1, 0.98)), "31"),
        (line((10, 5, 1, 0.98), (10, 30, 2, 0.98)), "12"),  # stacked
        (line((14, 5, 1, 0.98), (10, 30, 2, 0.98)), "12"),  # stacked, the lower further left
        (line((10, 5, 1, 0.98), (22, 11, 2, 0.97), (34, 17, 3, 0.98)), "123"),  # tilted
        (line((10, 25, 1, 0.98), (21, 15, 2, 0.97), (32, 5, 3, 0.98)), "123"),  # steeply
    ],
)
def test_numbers_that_people_read(
    reader: CalibratedReader, detections: dict[str, Any], number: str
) -> None:
    assert reader(detections) == number


@quick
@given(drawn=rows.filter(bool), label=st.integers(1, 10))
def test_a_second_class_on_every_digit_adds_no_digit(
    reader: CalibratedReader, drawn: list[Any], label: int
) -> None:
    doubled = drawn + [(*row[:4], label, row[5] * 0.5) for row in drawn]
    assert len(reader.read(found(doubled)).indices) <= len(
        ThresholdReader(0.0).read(found(drawn)).indices
    )


def test_refined_boxes_share_one_height_and_have_integer_edges() -> None:
    record = line((10.3, 5.2, 1, 0.9), (22.4, 5.9, 2, 0.8), (90, 70, 3, 0.1)) | {
        "height": 100, "width": 120,
    }  # fmt: skip
    record["boxes"][1, 3] += 3
    refined = refine(record, ThresholdReader().read(record).indices)
    assert torch.equal(refined[:2], refined[:2].round())
    heights = refined[:2, 3] - refined[:2, 1]
    assert heights[0] == heights[1] == 25
    assert torch.equal(refined[2], record["boxes"][2])  # not read: as it was
    assert (refined - record["boxes"]).abs().max() < 3


@pytest.mark.parametrize(
    ("second", "edges"),
    [
        (26, [10, 23, 25, 38]),  # a gap of 4
        (18, [10, 21, 19, 30]),  # an overlap of 4
        (40, [10, 22, 40, 52]),  # too far apart to be neighbours
    ],
)
def test_gaps_and_overlaps_of_neighbours_are_halved(second: float, edges: list[float]) -> None:
    boxes = torch.tensor([[10.0, 10, 22, 40], [second, 10, second + 12, 40]])
    record = {"boxes": boxes, "scores": torch.ones(2), "labels": torch.tensor([1, 2])}
    record |= {"height": 100, "width": 120}
    refined = refine(record, np.array([1, 0]))
    assert refined[:, [0, 2]].flatten().tolist() == edges
    assert refine(record, np.array([0]))[0].tolist() == boxes[0].tolist()


@quick
@given(drawn=rows)
def test_refined_boxes_are_whole_and_within_the_photo(drawn: list[Any]) -> None:
    record = found(drawn) | {"height": 100, "width": 230}
    refined = refine(record, ThresholdReader().read(record).indices)
    assert refined.shape == record["boxes"].shape
    assert ((refined[:, 2:] - refined[:, :2]) > 0).all()
    assert (refined >= 0).all() and (refined[:, 2] <= 230).all() and (refined[:, 3] <= 100).all()


def test_the_bootstrap_interval_holds_the_mean() -> None:
    low, high = bootstrap_interval(np.array([1] * 70 + [0] * 30))
    assert 0.55 < low < 0.7 < high < 0.85
    assert bootstrap_interval(np.ones(5)) == (1, 1)


def test_cross_fitting_looks_into_each_photo_once(monkeypatch: pytest.MonkeyPatch) -> None:
    records, targets = simulate(60, seed=3)
    unfitted = CalibratedReader(min_photos=20)
    seen: list[int] = []
    places = features._places

    def counted(record: Any, nms_iou: float) -> Any:
        seen.append(id(record))
        return places(record, nms_iou)

    monkeypatch.setattr(features, "_places", counted)
    readings = cross_fit(unfitted, records, targets, folds=2)
    assert sorted(seen) == sorted(map(id, records))
    for fold in (0, 1):  # the same as by readers that are fitted one by one
        others = [i for i, f in enumerate(folds_of(60, 2)) if f != fold]
        reader = unfitted.fit([records[i] for i in others], [targets[i] for i in others])
        for index in set(range(60)).difference(others):
            read = reader.read(records[index])
            kept = readings[index]
            assert (read.number, read.confidence) == (kept.number, kept.confidence)
            assert read.indices.tolist() == kept.indices.tolist()


@pytest.mark.slow
def test_reading_is_fast(reader: CalibratedReader) -> None:
    records, _ = simulate(1307, seed=2)
    start = time.process_time()
    for record in records:
        reader.read(record)
    assert time.process_time() - start < 2  # a tenth of the test photos; one core, others busy too
