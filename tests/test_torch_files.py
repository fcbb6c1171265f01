import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from digits import resources, torch_files
from digits.errors import DigitsError
from digits.torch_files import load_plain

WEIGHTS = {"a.b": torch.arange(300.0), "n": torch.ones(2)}
CONTENT = {"names": ["a", 1, 2.5, None], "weights": WEIGHTS}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch_files.save(CONTENT, tmp_path / "a.ckpt")
    return tmp_path / "a.ckpt"


def refused(path: Path) -> str:
    with pytest.raises(DigitsError) as caught:
        load_plain(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    return text


def test_what_was_written_is_read_also_by_torch_alone(path: Path) -> None:
    for content in (load_plain(path), torch.load(path, weights_only=True)):
        assert content["names"] == CONTENT["names"]
        assert torch.equal(content["weights"]["a.b"], torch.arange(300.0))
    assert [p.name for p in path.parent.iterdir()] == ["a.ckpt"]


@pytest.mark.parametrize("old", [True, False])
def test_files_without_our_digest_are_read(path: Path, old: bool) -> None:
    torch.save(CONTENT, path, _use_new_zipfile_serialization=not old)
    assert load_plain(path)["names"] == CONTENT["names"]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.ckpt"
    torch_files.save(CONTENT, path)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("length", [0, 75, 77, 76 + 256])
def test_a_changed_length_of_the_digest_is_noticed(path: Path, length: int) -> None:
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\5\6") + 20
    assert length != int.from_bytes(content[at : at + 2], "little") > 0
    content[at : at + 2] = length.to_bytes(2, "little")
    path.write_bytes(content)
    refused(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_changed_byte_of_any_weight_is_noticed_also_without_our_digest(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.ckpt"
    torch.save(CONTENT, path)
    content = bytearray(path.read_bytes())
    start = content.index(torch.arange(300.0).numpy().tobytes())
    content[start + data.draw(st.integers(0, 1199))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert "checksum" in refused(path)


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), archive=st.booleans())
def test_a_file_that_was_cut_is_refused(
    tmp_path_factory: pytest.TempPathFactory, share: float, archive: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.ckpt"
    torch.save(CONTENT, path, _use_new_zipfile_serialization=archive)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), archive=st.booleans())
def test_a_changed_file_of_any_age_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, archive: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.ckpt"
    torch.save(CONTENT, path, _use_new_zipfile_serialization=archive)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, min(len(content), 900) - 1))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    path.write_bytes(content)
    try:
        load_plain(path)
    except DigitsError as error:
        assert "\n" not in str(error) and len(str(error)) < 400  # noqa: PT017


def test_an_archive_that_unpacks_to_more_than_it_is_is_refused(path: Path) -> None:
    bomb = path.with_name("bomb.ckpt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            big = info.filename.endswith("data/0")
            new.writestr(info.filename, bytes(100 << 20) if big else old.read(info))
    assert bomb.stat().st_size < 1 << 20
    assert "compressed" in refused(bomb)


class Asks:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("save", [torch.save, lambda x, p: p.write_bytes(pickle.dumps(x, 2))])
def test_memory_at_will_and_code_are_not_asked_for(tmp_path: Path, save: Any) -> None:
    proof = tmp_path / "it ran"
    for asked in (Asks(bytearray, 1 << 60), Asks(Path.touch, proof), Asks(set, [1])):
        save({"x": asked}, tmp_path / "a.ckpt")
        assert "not a torch file of plain tensors" in refused(tmp_path / "a.ckpt")
    assert not proof.exists()


def test_what_may_never_end_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "expected a file, got a pipe" in refused(tmp_path / "pipe")
    assert "expected a file, got a pipe, a device" in refused(Path("/dev/zero"))
    assert "expected a file, got a folder" in refused(tmp_path)
    with (tmp_path / "sparse.ckpt").open("wb") as file:
        file.truncate(1 << 40)
    assert "larger than 16,384 MiB" in refused(tmp_path / "sparse.ckpt")


def test_the_models_that_ship_carry_their_digest() -> None:
    files = [*(resources.located(name) for name in resources.SHIPPED), resources.RECOGNIZER]
    for file in files:
        with zipfile.ZipFile(file) as archive:
            assert archive.comment.startswith(b"digits sha256 "), file
        load_plain(file)
    assert sum(file.stat().st_size for file in files) < 30e6


def memory() -> int:
    """Bytes of this process that no file holds."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("RssAnon:")[1].split()[0])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_tensors_stay_on_the_disk_until_they_are_used(tmp_path: Path) -> None:
    torch.save({"x": torch.zeros(50_000_000)}, tmp_path / "large.ckpt")  # 200 MB
    before = memory()
    content = load_plain(tmp_path / "large.ckpt")
    assert content["x"].shape == (50_000_000,) and memory() - before < 50e6
