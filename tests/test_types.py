from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.detections import read_detections
from digits.errors import DigitsError
from digits.io import atomic_write, to_coco_boxes, write_detections
from digits.records import check_detections
from digits.types import CLASS_NAMES, number_of, target_number

quick = settings(max_examples=40, deadline=None)
side = st.floats(0, 2000, width=32)
box = st.tuples(side, side, side, side).map(
    lambda v: [min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]), max(v[1], v[3])]
)
detection = st.tuples(box, st.floats(0, 1, width=32), st.integers(1, 10))


def record(rows: list[tuple[list[float], float, int]], image_id: int = 7) -> dict[str, Any]:
    return {
        "image_id": image_id,
        "file_name": f"{image_id}.png",
        "height": 30,
        "width": 40,
        "boxes": torch.tensor([r[0] for r in rows]).reshape(-1, 4),
        "scores": torch.tensor([r[1] for r in rows]),
        "labels": torch.tensor([r[2] for r in rows], dtype=torch.int64),
    }


@quick
@given(st.lists(detection, max_size=6))
def test_a_record_survives_its_file(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "detections.json"
    before: Any = record(rows) | {"height": 2000, "width": 2000}
    write_detections(path, {"class_names": list(CLASS_NAMES)}, [before])
    _, (after,) = read_detections(path)
    assert after.keys() == before.keys()
    for key in ("image_id", "file_name", "height", "width"):
        assert after[key] == before[key]
    assert after["labels"].tolist() == before["labels"].tolist()
    assert after["boxes"].shape == (len(rows), 4) and after["boxes"].dtype == torch.float32
    torch.testing.assert_close(after["boxes"], before["boxes"], atol=0.0051, rtol=1e-6)
    torch.testing.assert_close(after["scores"], before["scores"], atol=0.000006, rtol=0)


@quick
@given(st.lists(box, min_size=1, max_size=6))
def test_coco_boxes_are_corner_width_height(boxes: list[list[float]]) -> None:
    for (x1, y1, x2, y2), (x, y, width, height) in zip(
        boxes, to_coco_boxes(torch.tensor(boxes)), strict=True
    ):
        assert (x, y) == pytest.approx((x1, y1), abs=0.0051, rel=1e-6)
        assert (x + width, y + height) == pytest.approx((x2, y2), abs=0.011, rel=1e-6)


def test_no_boxes_are_an_empty_list() -> None:
    assert to_coco_boxes(torch.zeros(0, 4)) == []


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("boxes", torch.zeros(2, 5), r"expected boxes of shape \(2, 4\), got \(2, 5\)"),
        ("scores", torch.zeros(3), r"expected scores of shape \(2,\), got \(3,\)"),
        ("labels", torch.ones(2, 1), r"expected labels of shape \(2,\), got \(2, 1\)"),
        ("boxes", torch.tensor([[0, 0, 1, float("nan")]] * 2), "expected finite boxes"),
        ("boxes", torch.tensor([[0, 0, 1, float("inf")]] * 2), "expected finite boxes"),
        ("scores", torch.tensor([0.5, 1.5]), r"expected scores in \[0, 1\], got 0.5..1.5"),
        ("scores", torch.tensor([-0.25, 1.0]), r"expected scores in \[0, 1\], got -0.25..1.0"),
        ("scores", torch.tensor([float("nan"), 1.0]), r"expected scores in \[0, 1\], got nan"),
        ("labels", torch.tensor([0, 10]), "expected labels in 1..10, got 0..10"),
        ("labels", torch.tensor([1, 11]), "expected labels in 1..10, got 1..11"),
    ],
)
def test_detections_that_break_the_contract_are_refused(
    field: str, value: torch.Tensor, says: str
) -> None:
    good = record([([0.0, 0.0, 1.0, 2.0], 0.5, 1), ([1.0, 0.0, 2.0, 2.0], 0.4, 10)])
    check_detections(good, "here")
    with pytest.raises(DigitsError, match=f"^here: {says}"):
        check_detections(good | {field: value}, "here")


def test_no_detections_are_fine() -> None:
    check_detections(record([]), "here")


def test_a_complete_file_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "a.txt"
    for text in ("first", "second"):
        with atomic_write(path) as file:
            file.write(text)
    assert path.read_text() == "second"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("before", [None, "old"])
def test_an_error_while_writing_leaves_nothing_new(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "a.txt"
    if before:
        path.write_text(before)

    def write() -> None:
        with atomic_write(path) as file:
            file.write("half")
            raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="on fire"):
        write()
    assert [p.read_text() for p in tmp_path.iterdir()] == ([before] if before else [])


@pytest.mark.parametrize(
    ("labels", "number"), [([], ""), ([1], "0"), ([1, 1, 8], "007"), ([10, 2], "91")]
)
def test_labels_are_digits_plus_one(labels: list[int], number: str) -> None:
    assert number_of(labels) == number_of(torch.tensor(labels, dtype=torch.int64)) == number


def test_a_target_reads_from_left_to_right_and_ties_keep_their_order() -> None:
    lefts = [30.0, 5.0, 20.0, 5.0]
    target = {
        "boxes": torch.tensor([[x, 0, x + 9, 9] for x in lefts]),
        "labels": torch.tensor([4, 1, 3, 2]),
    }
    assert target_number(target) == "0123"


def test_a_target_without_digits_is_no_number() -> None:
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    assert target_number(empty) == ""
