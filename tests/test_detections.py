import json
import os
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import made
import numpy as np
import pytest
import torch
from fuzzing import places
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.detections import read_detections, write_detections
from digits.detections.writing import detections_to_json
from digits.ensemble.fusion import Fusion
from digits.errors import DigitsError
from digits.reading import CascadeReader
from digits.reading.features import candidates
from digits.types import CLASS_NAMES, MAX_BOXES, Record

HEADER = {"class_names": list(CLASS_NAMES), "split": "test", "weights_sha256": "a"}
ROW = {"boxes": [[1, 2, 9, 20]], "weight": -0.1, "texts": {"1": -0.2, "17": -3.0}}
PHOTO = {
    "image_id": 7, "file_name": "7.png", "height": 30, "width": 40,
    "boxes": [[0, 0, 3, 4], [10.5, 2, 20, 29.9]], "scores": [0.5, 1], "labels": [1, 10],
    "votes": [1, 2], "rows": [ROW],
}  # fmt: skip
CONTENT = {"header": HEADER, "photos": [PHOTO, PHOTO | {"image_id": 8, "file_name": "8.png"}]}


def written(folder: Path, content: object) -> Path:
    path = folder / "detections.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def test_header_and_records_are_read(tmp_path: Path) -> None:
    header, records = read_detections(written(tmp_path, CONTENT))
    assert header == HEADER
    assert [r["image_id"] for r in records] == [7, 8]
    first = records[0]
    assert first["boxes"].dtype == first["scores"].dtype == torch.float32
    assert first["boxes"].tolist() == [[0, 0, 3, 4], [10.5, 2, 20, pytest.approx(29.9)]]
    assert first["scores"].tolist() == [0.5, 1] and first["labels"].tolist() == [1, 10]
    assert first["votes"].tolist() == [1, 2] and first["rows"] == [ROW]
    again = tmp_path / "again.json"
    write_detections(again, header, records)
    assert json.loads(again.read_text()) == CONTENT


def test_no_photos_and_no_boxes_are_fine(tmp_path: Path) -> None:
    assert read_detections(written(tmp_path, CONTENT | {"photos": []}))[1] == []
    empty = PHOTO | {"boxes": [], "scores": [], "labels": [], "votes": [], "rows": []}
    (record,) = read_detections(written(tmp_path, CONTENT | {"photos": [empty]}))[1]
    assert record["boxes"].shape == (0, 4) and record["labels"].dtype == torch.int64


def photo(**changes: Any) -> dict[str, Any]:
    """The file with changes in its second photo."""
    return CONTENT | {"photos": [PHOTO, PHOTO | {"image_id": 8} | changes]}


def lacking(name: str) -> dict[str, Any]:
    return CONTENT | {"photos": [{k: v for k, v in PHOTO.items() if k != name}]}


def row(**changes: Any) -> dict[str, Any]:
    return photo(rows=[ROW, ROW | changes])


NAN, LONG = float("nan"), "1" * 400
BAD: list[tuple[object, str]] = [
    ("nonsense", "not JSON"),
    ("", "not JSON"),
    ("[" * 100_000, "not a detections.json"),
    ("[]", "not a detections.json: expected named values, got"),
    ("null", "not a detections.json: expected named values, got None"),
    ({"header": HEADER}, "lacks 'photos'"),
    ({"photos": []}, "lacks 'header'"),
    (CONTENT | {"header": []}, "header: expected named values"),
    (CONTENT | {"header": HEADER | {"class_names": "0123456789"}}, "class_names: expected a list"),
    (CONTENT | {"header": HEADER | {"class_names": ["cat"]}}, r"expected the classes.*\['cat'\]"),
    (CONTENT | {"header": HEADER | {"split": 3}}, "header.split: expected text or null, got 3"),
    (CONTENT | {"header": HEADER | {"weights_sha256": [1]}}, "weights_sha256: expected text"),
    (CONTENT | {"photos": {}}, "photos: expected a list"),
    (CONTENT | {"photos": ["x"]}, r"photos\[0\]: expected named values, got 'x'"),
    (CONTENT | {"photos": [PHOTO, PHOTO]}, r"photos\[1\].image_id: expected an id per photo.* 7"),
    *((lacking(name), f"lacks '{name}'") for name in PHOTO if name not in ("votes", "rows")),
    *((photo(image_id=v), r"photos\[1\].image_id: expected") for v in (
        "7", 7.5, 7.0, True, None, [7], 2**63, -(2**63) - 1)),
    *((photo(file_name=v), r"photos\[1\].file_name: expected text") for v in (None, 3, ["a"])),
    *((photo(height=v), r"photos\[1\].height: expected") for v in (
        0, -30, 30.5, "30", None, True, 2**40)),
    *((photo(boxes=v), r"photos\[1\].boxes") for v in (
        None, 3, "x", {}, [[1, 2, 3]], [[1, 2, 3, 4, 5]], [1, 2, 3, 4], [["1", 2, 3, 4]] * 2,
        [[None, 2, 3, 4]] * 2, [[True, 2, 3, 4]] * 2, [[1e300, 2, 1e300, 4]] * 2,
        [[[1], 2, 3, 4]] * 2, [{"x": 1}] * 2)),
    *((photo(boxes=[[0, 0, 1, 1], box]), r"photos\[1\].boxes\[1\]: expected") for box in (
        [9, 2, 3, 4], [1, 9, 3, 4], [900, 2, 910, 4], [-90, 2, 3, 4], [1, -90, 3, 4],
        [1, 2, 3, 400])),
    (row(texts={"1a": -1}), "texts: expected text matching regex .* as each name"),
    (photo(image_id=NAN), "not JSON .NaN at byte"),
    (photo(boxes=[[0, 0, -float("inf"), 1]] * 2), "not JSON .Infinity at byte"),
    *((photo(scores=v), r"photos\[1\].scores") for v in (
        None, 0.5, "x", ["0.5", 1], [True, 1], [1.5, 1], [-0.1, 1], [None, 1], [[0.5], 1])),
    *((photo(scores=v), "expected as many scores as boxes, got") for v in ([], [1], [1, 1, 1])),
    *((photo(labels=v), r"photos\[1\].labels") for v in (
        None, 3, "12", ["1", 2], [1.0, 2], [1.7, 2], [0, 1], [1, 11], [-1, 1], [True, 1],
        [2**70, 1])),
    *((photo(labels=v), "expected as many labels as boxes, got") for v in ([], [1], [1, 1, 1])),
    *((photo(votes=v), r"photos\[1\].votes") for v in (None, ["1", 1], [-1, 1])),
    (photo(votes=[1]), "expected as many votes as boxes, got 1 and 2"),
    *((photo(rows=v), r"photos\[1\].rows") for v in (None, 3, [3], [[]], [{}])),
    *((row(boxes=v), r"photos\[1\].rows\[1\].boxes") for v in (
        None, [], [[1, 2, 3]], [["1", 2, 3, 4]], [[1, 2, 3, 1e300]], [ROW["boxes"][0]] * 101)),
    *((row(weight=v), r"photos\[1\].rows\[1\].weight") for v in (None, "x", 5, -1e300)),
    *((row(texts=v), r"photos\[1\].rows\[1\].texts") for v in (
        None, {}, {"1a": -1}, {"": -1}, {"1": 5}, {"1": None}, {"1": "-1"}, {"²": -1}, {LONG: -1})),
]  # fmt: skip


@pytest.mark.parametrize(("content", "says"), BAD, ids=range(len(BAD)))
def test_whatever_does_not_fit_is_one_line(tmp_path: Path, content: object, says: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DigitsError, match=says) as caught:
        read_detections(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text and len(text) < 400


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, says in (
        (tmp_path / "gone.json", "no such file; `predict.py` writes"),
        (tmp_path, "expected a file, got a folder"),
        (tmp_path / "pipe", "expected a file, got a pipe"),
        (Path("/dev/zero"), "expected a file, got a pipe, a device"),
    ):
        with pytest.raises(DigitsError, match=says):
            read_detections(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), value=JSON)
def test_a_changed_file_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, value: Any
) -> None:
    content = deepcopy(CONTENT)
    holder, key = data.draw(st.sampled_from(places(content)))
    change: Callable[[Any], Any] = data.draw(
        st.sampled_from([lambda v: value, lambda v: [v], lambda v: str(v), lambda v: -v])
    )
    if data.draw(st.booleans()):
        del holder[key]
    else:
        try:
            holder[key] = change(holder[key])
        except TypeError:
            holder[key] = value
    path = written(tmp_path_factory.getbasetemp(), content)
    try:
        _, records = read_detections(path)
    except DigitsError as error:
        said = str(error)
    else:  # whatever is let in can be read, fused and written
        said = f"{path}: {len(records)}"
        for record in records:
            CascadeReader().read(record)
            Fusion((1.0, 1.0))([record, record])
            json.dumps(detections_to_json(record), allow_nan=False)
    assert said.startswith(f"{path}: ") and "\n" not in said


@settings(max_examples=200, deadline=None)
@given(at=st.floats(0, 1), byte=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, at: float, byte: int
) -> None:
    text = bytearray(json.dumps(CONTENT).encode())
    text[min(int(at * len(text)), len(text) - 1)] = byte
    path = tmp_path_factory.getbasetemp() / "detections.json"
    path.write_bytes(text)
    try:
        read_detections(path)
        said = f"{path}: "
    except DigitsError as error:
        said = str(error)
    assert said.startswith(f"{path}: ") and "\n" not in said


def many(count: int, seed: int) -> Record:
    """Boxes of any classes all over a photo; scores of two decimals, so that some are equal."""
    g = np.random.default_rng(seed)
    low = g.integers(0, 900, (count, 2))
    boxes = np.concatenate([low, low + g.integers(1, 100, (count, 2))], axis=1)
    scores = g.integers(0, 101, count) / 100
    found = made.detections(boxes, scores, g.integers(1, 11, count))
    return made.record(found, 7, (1000, 1000))


@settings(max_examples=10, deadline=None)
@given(count=st.integers(MAX_BOXES + 1, 2000), seed=st.integers(0, 99))
def test_of_very_many_boxes_the_surest_are_weighed(
    tmp_path_factory: pytest.TempPathFactory, count: int, seed: int
) -> None:
    record = many(count, seed)
    path = tmp_path_factory.getbasetemp() / "many.json"
    write_detections(path, HEADER, [record])
    _, (read,) = read_detections(path)
    assert len(read["boxes"]) == MAX_BOXES
    surest = record["scores"].sort(descending=True).values[:MAX_BOXES]
    assert torch.equal(read["scores"], surest)
    few: Any = record | {k: read[k] for k in ("boxes", "scores", "labels")}
    for reader in (CascadeReader(), CascadeReader((0.2,), nms_iou=0.1)):
        assert reader.read(record).number == reader.read(few).number
    whole, part = candidates(record, 0.4, 1.0), candidates(few, 0.4, 1.0)
    np.testing.assert_array_equal(whole.boxes, part.boxes)
    np.testing.assert_allclose(whole.evidence, part.evidence)
    one, other = (Fusion((1.0, 0.5))([r, r]) for r in (record, few))
    torch.testing.assert_close(one["scores"], other["scores"])


def test_twenty_thousand_boxes_take_little_memory_and_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "detections.json"
    write_detections(path, HEADER, [many(20_000, 0)])
    _, (read,) = read_detections(path)
    assert "1 photos have more than 300 boxes; the surest 300 of each" in capsys.readouterr().out
    assert len(read["boxes"]) == MAX_BOXES
    CascadeReader().read(many(20_000, 0))  # some 100 MB; a matrix of all pairs has 3 GB
    assert len(candidates(many(20_000, 0), 0.4, 1.0).indices) == 10
