import csv
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import made
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.detections import read_detections
from digits.errors import DigitsError
from digits.inference.results import PhotoResult
from digits.inference.submission import SubmissionWriter
from digits.reading import ThresholdReader
from digits.reading.acceptance import accepts

FILES = {"detections.json", "pred.json", "pred.csv", "numbers.csv", "submission.zip"}


def record(image_id: int, *digits: tuple[int, float], name: str | None = None) -> Any:
    """Digits as (digit, score), side by side, 10 wide and 20 high."""
    boxes = [[20 * k + 1, 2.5, 20 * k + 11, 22.5] for k in range(len(digits))]
    found = made.detections(boxes, [s for _, s in digits], [d + 1 for d, _ in digits])
    return {**made.record(found, image_id, (30, 99)), "file_name": name or f"{image_id}.png"}


def result(photo: dict[str, Any], least: float = 0.0) -> PhotoResult:
    reader = ThresholdReader()
    reading = reader.read(photo)
    sure = accepts(reader, reading, photo, least)
    return PhotoResult.of(photo, reading, sure)


def write(folder: Path, *records: dict[str, Any]) -> None:
    with SubmissionWriter(folder, {"split": "test"}) as submission:
        for photo in records:
            submission.add(photo, result(photo))


PHOTOS = (record(3, (0, 0.9), (0, 0.8), (7, 0.7), (4, 0.001)), record(10), record(2, (5, 0.0)))


def test_pred_json_is_flat_coco_without_a_score_threshold(tmp_path: Path) -> None:
    write(tmp_path, *PHOTOS)
    boxes = json.loads((tmp_path / "pred.json").read_text())
    assert len(boxes) == 5  # every detection, the least sure included
    assert all(b.keys() == {"image_id", "bbox", "score", "category_id"} for b in boxes)
    assert boxes[2] == {"image_id": 3, "bbox": [41, 2.5, 10, 20], "score": 0.7, "category_id": 8}
    assert [b["image_id"] for b in boxes] == [3, 3, 3, 3, 2]


def test_pred_csv_has_a_row_for_every_photo_in_order(tmp_path: Path) -> None:
    write(tmp_path, *PHOTOS)
    assert (tmp_path / "pred.csv").read_bytes() == b"image_id,pred_label\n3,007\n10,-1\n2,5\n"


def test_numbers_csv_quotes_odd_names(tmp_path: Path) -> None:
    names = ["my, house.png", 'the "old" door.jpg', "höhe\n2.png"]
    write(tmp_path, *(record(i, (i, 0.9), name=name) for i, name in enumerate(names)))
    with (tmp_path / "numbers.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [r["file_name"] for r in rows] == names
    assert rows[1] == {
        "file_name": names[1],
        "number": "1",
        "confidence": "0.9000",
        "accepted": "yes",
        "runner_up": "",
        "boxes": "1.0 2.5 11.0 22.5",
    }


def test_numbers_that_are_not_sure_enough_are_not_accepted(tmp_path: Path) -> None:
    with SubmissionWriter(tmp_path, {}) as submission:
        for photo in PHOTOS:
            submission.add(photo, result(photo, least=0.75))
    with (tmp_path / "numbers.csv").open(newline="", encoding="utf-8") as file:
        accepted = [row["accepted"] for row in csv.DictReader(file)]
    assert accepted == ["no", "no", "no"]
    assert (tmp_path / "pred.csv").read_text().splitlines()[1:] == ["3,007", "10,-1", "2,5"]


def test_numbers_csv_of_labelled_photos_says_which_are_right(tmp_path: Path) -> None:
    truths = ("007", "", "7")
    with SubmissionWriter(tmp_path, {}, labelled=True) as submission:
        for photo, truth in zip(PHOTOS, truths, strict=True):
            submission.add(photo, replace(result(photo), truth=truth))
    with (tmp_path / "numbers.csv").open(newline="", encoding="utf-8") as file:
        rows = [(row["number"], row["truth"], row["right"]) for row in csv.DictReader(file)]
    # A photo without a number, of which none was read, is right.
    assert rows == [("007", "007", "yes"), ("-1", "", "yes"), ("5", "7", "no")]


def test_refined_boxes_go_into_pred_json_alone(tmp_path: Path) -> None:
    with SubmissionWriter(tmp_path, {}) as submission:
        refined = PHOTOS[0]["boxes"].round() + 1
        submission.add(PHOTOS[0], result(PHOTOS[0]), PHOTOS[0] | {"boxes": refined})
    boxes = json.loads((tmp_path / "pred.json").read_text())
    assert [b["bbox"][0] for b in boxes] == refined[:, 0].tolist()
    _, (record,) = read_detections(tmp_path / "detections.json")
    assert torch.equal(record["boxes"], PHOTOS[0]["boxes"])


def test_the_zip_holds_exactly_the_two_files_at_its_root(tmp_path: Path) -> None:
    write(tmp_path, *PHOTOS)
    with zipfile.ZipFile(tmp_path / "submission.zip") as archive:
        assert sorted(archive.namelist()) == ["pred.csv", "pred.json"]
        assert archive.testzip() is None
        for name in archive.namelist():
            assert archive.read(name) == (tmp_path / name).read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == FILES


@settings(max_examples=15, deadline=None)
@given(
    counts=st.lists(
        st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1, width=32)), max_size=4), max_size=6
    )
)
def test_whatever_is_detected_the_files_are_whole(
    tmp_path_factory: pytest.TempPathFactory, counts: list[list[tuple[int, float]]]
) -> None:
    folder = tmp_path_factory.mktemp("submission")
    write(folder, *(record(i, *digits) for i, digits in enumerate(counts)))
    boxes = json.loads((folder / "pred.json").read_text())
    assert len(boxes) == sum(map(len, counts))
    rows = (folder / "pred.csv").read_text().splitlines()[1:]
    assert [int(r.split(",")[0]) for r in rows] == list(range(len(counts)))
    assert all((r.split(",")[1] == "-1") == (not c) for r, c in zip(rows, counts, strict=True))


@pytest.mark.parametrize("earlier", [(), PHOTOS])
def test_an_error_in_the_middle_leaves_what_was_there(tmp_path: Path, earlier: Any) -> None:
    if earlier:
        write(tmp_path, *earlier)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    bad = record(4, (1, 0.5)) | {"scores": torch.tensor([7.0])}
    with pytest.raises(DigitsError, match=r"4\.png: expected scores in \[0, 1\]"):
        write(tmp_path, PHOTOS[2], bad)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
