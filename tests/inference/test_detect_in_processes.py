"""Photos detected in several processes: what is found, what fails, and what is left behind."""

import multiprocessing as mp
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from made import GreyReader
from PIL import Image
from torch import Tensor, nn

from digits import checkpoint, resources
from digits.data.folder import PhotoFolder
from digits.errors import DigitsError
from digits.inference import processes
from digits.inference.detect import detect, process_count
from digits.inference.options import InferenceOptions
from digits.inference.processes import ProcessesFailed, detect_in_processes
from digits.inference.source import Item, Readers
from digits.recognition.checkpoint import load_recognizer

CPU = torch.device("cpu")
OPTIONS = InferenceOptions(CPU, batch_size=2, num_workers=2)


class Killed(GreyReader):
    def forward(self, photos: list[Tensor]) -> list[dict[str, Tensor]]:
        os.kill(os.getpid(), signal.SIGKILL)
        return []


@pytest.fixture
def folder(tmp_path: Path) -> PhotoFolder:
    for index in range(10):
        Image.new("RGB", (50 + index, 40), (index + 1,) * 3).save(tmp_path / f"{index + 1}.png")
    return PhotoFolder(str(tmp_path))


@pytest.fixture
def children() -> Callable[[], set[object]]:
    """Processes that were not there before the test."""
    before = set(mp.active_children())
    return lambda: set(mp.active_children()) - before


def several(model: nn.Module, data: PhotoFolder, unreadable: dict[str, str] | None) -> list[int]:
    found = detect_in_processes(model, data, OPTIONS, 2, unreadable, None)
    return [int(photo.record["labels"]) for photo in found]


@pytest.mark.parametrize("most", [30_000_000, 1])
def test_photos_come_in_order_large_ones_in_pieces(
    folder: PhotoFolder,
    monkeypatch: pytest.MonkeyPatch,
    children: Callable[[], set[object]],
    most: int,
) -> None:
    monkeypatch.setattr("digits.inference.batches._BYTES", most)
    assert several(GreyReader(), folder, None) == list(range(1, 11))
    assert not children()


def test_files_that_cannot_be_read_are_named(
    folder: PhotoFolder, children: Callable[[], set[object]]
) -> None:
    (Path(folder.root) / "4.png").write_bytes(b"no photo")
    unreadable: dict[str, str] = {}
    assert several(GreyReader(), folder, unreadable) == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert list(unreadable) == ["4.png"]
    with pytest.raises(DigitsError, match=r"4\.png"):
        several(GreyReader(), folder, None)
    assert not children()


def test_a_killed_process_is_a_line(folder: PhotoFolder) -> None:
    with pytest.raises(ProcessesFailed, match="killed, .* lower batch_size"):
        several(Killed(), folder, None)


def test_nothing_runs_on_when_nobody_waits(
    folder: PhotoFolder, children: Callable[[], set[object]]
) -> None:
    found = detect_in_processes(GreyReader(), folder, OPTIONS, 2, None, None)
    next(found)
    assert children()
    found.close()
    assert not children()


def test_the_same_is_found_and_read_as_by_one_process() -> None:
    data = PhotoFolder(str(ROOT / "docs" / "photos"))
    loaded = checkpoint.load(resources.CHECKPOINTS / "small" / "best.ckpt")
    reader = loaded.rebuild_reader()
    readers = Readers(reader, reader, refine=True)
    options = replace(OPTIONS, recognizers=[load_recognizer(resources.RECOGNIZER)])
    model = loaded.rebuild()
    one = list(detect(model, data, replace(options, num_workers=0)))
    for alone, photo in zip(one, detect(model, data, options, readers=readers), strict=True):
        assert photo.record["file_name"] == alone.record["file_name"]
        assert torch.equal(photo.photo, alone.photo)
        torch.testing.assert_close(photo.record["boxes"], alone.record["boxes"], atol=0.01, rtol=0)
        assert photo.read is not None and alone.read is None
        reading, submitted = photo.read
        expected, boxes = readers.read(Item(alone.record, alone.record))
        assert reading.number == expected.number
        assert np.array_equal(reading.indices, expected.indices)
        torch.testing.assert_close(submitted["boxes"], boxes["boxes"], atol=0.01, rtol=0)


@pytest.mark.slow
def test_processes_that_start_anew_work_too(
    folder: PhotoFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of a GPU do, and all of macOS and Windows."""
    spawn = mp.get_context("spawn")
    monkeypatch.setattr(processes.mp, "get_context", lambda method: spawn)
    loaded = checkpoint.load(resources.CHECKPOINTS / "small" / "best.ckpt")
    options = replace(OPTIONS, recognizers=[load_recognizer(resources.RECOGNIZER)])
    found = list(detect_in_processes(loaded.rebuild(), folder, options, 2, None, None))
    assert [photo.record["file_name"] for photo in found] == [f"{i}.png" for i in range(1, 11)]


def test_a_gpu_that_takes_no_other_process_is_used_by_this_one(
    folder: PhotoFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> Iterator[None]:
        raise ProcessesFailed("was killed")
        yield

    monkeypatch.setattr("digits.inference.detect.process_count", lambda *_: 2)
    monkeypatch.setattr("digits.inference.detect.detect_in_processes", failing)
    monkeypatch.setattr("digits.inference.detect._detect_here", lambda *_: iter(["found"]))
    assert list(detect(GreyReader(), folder, replace(OPTIONS, device=torch.device("cuda"))))
    with pytest.raises(ProcessesFailed):
        list(detect(GreyReader(), folder, OPTIONS))


@pytest.mark.parametrize(
    ("device", "photos", "num_workers", "count"),
    [
        ("cpu", 32, None, 1),  # of one batch
        ("cpu", 33, None, 3),  # a core each
        ("cpu", 33, 0, 0),
        ("cpu", 33, 5, 5),
        ("cpu", 40, 256, 10),  # with less to do each than its start takes
        ("cuda", 300, None, 1),  # starting takes longer
        ("cuda", 13_068, 4, 4),
        ("mps", 13_068, None, 1),
    ],
)
def test_as_many_processes_as_help(
    device: str, photos: int, num_workers: int | None, count: int
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    model = checkpoint.load(resources.CHECKPOINTS / "small" / "best.ckpt").rebuild()
    options = InferenceOptions(torch.device(device), num_workers=num_workers)
    try:
        assert process_count(model, photos, options) == count
    finally:
        torch.set_num_threads(before)
    assert process_count(nn.Identity(), photos, options) == 1
