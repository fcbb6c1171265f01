import errno
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from digits import torch_files
from digits.detections import read_detections, write_detections
from digits.detections.writing import to_coco_boxes
from digits.errors import DigitsError
from digits.io import atomic_write, csv_cell, partial_path, write_json
from digits.types import CLASS_NAMES

FULL = "cannot be written .*; free some space, or write elsewhere"


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Files end at 1 MB: a write beyond fails as on a full disk, in this process alone."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("name", ["a.json", "a.ckpt"])
def test_a_full_disk_is_one_line_and_keeps_the_file_before(
    tmp_path: Path, full_disk: None, name: str
) -> None:
    path = tmp_path / name
    path.write_text("before")

    def write() -> None:
        if name == "a.json":
            write_json(path, ["x" * 1000] * 5000)
        else:
            torch_files.save({"x": torch.zeros(2_000_000)}, path)

    with pytest.raises(DigitsError, match=f"^{path}: {FULL}"):
        write()
    assert path.read_text() == "before" and [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1.png", "'=1+1.png"), ("+x", "'+x"), ("-x.png", "'-x.png"), ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"), ("a=1.png", "a=1.png"), ("-1", "-1"), ("-1.5e3", "-1.5e3"), (-1, -1),
        ("007", "007"), ("", ""), (None, None), (True, True),
    ],
)  # fmt: skip
def test_no_cell_is_a_formula(value: object, cell: object) -> None:
    assert csv_cell(value) == cell


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DigitsError, match=FULL):
        write_json(tmp_path / "file" / "a.json", {})


def test_a_full_disk_is_said_of_the_file_that_is_written_not_of_the_one_copied(
    tmp_path: Path, full_disk: None
) -> None:
    target = tmp_path / "a.bin"

    def copy() -> None:
        with partial_path(target) as partial:
            raise OSError(errno.ENOSPC, "No space left", "/tmp/source", None, str(partial))

    with pytest.raises(DigitsError, match=f"^{target}: {FULL}"):
        copy()


def test_a_name_that_is_no_text_is_escaped(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.csv") as file:
        file.write("\udcff.png")
    assert (tmp_path / "a.csv").read_text() == "\\udcff.png"


@pytest.mark.parametrize("text", ["read", "write"])
def test_errors_of_other_files_stay_what_they_are(tmp_path: Path, text: str) -> None:
    def work() -> None:
        with atomic_write(tmp_path / "a.txt"):
            if text == "read":
                (tmp_path / "photo.png").read_bytes()
            raise OSError(errno.EPIPE, "broken pipe")

    with pytest.raises(OSError, match=r"photo\.png|broken pipe"):
        work()
    assert list(tmp_path.iterdir()) == []


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


quick = settings(max_examples=40, deadline=None)
side = st.floats(0, 2000, width=32)
box = st.tuples(side, side, side, side).map(
    lambda v: [min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]), max(v[1], v[3])]
)
detection = st.tuples(box, st.floats(0, 1, width=32), st.integers(1, 10))


@quick
@given(st.lists(detection, max_size=6))
def test_a_record_survives_its_file(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "detections.json"
    before = made.record(made.one_by_one(rows), 7, (2000, 2000))
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
