import errno
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from digits import torch_files
from digits.errors import DigitsError
from digits.io import atomic_write, csv_cell, write_json

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
