import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from digits.data.folder import PhotoFolder
from digits.errors import DigitsError


def photos(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 4)).save(folder / name)
    return folder


@pytest.mark.parametrize(
    ("names", "order", "ids"),
    [
        (("10.png", "9.png", "2.jpg"), ["2.jpg", "9.png", "10.png"], [2, 9, 10]),
        (("b.png", "a.png", "7.png"), ["7.png", "a.png", "b.png"], [1, 2, 3]),
        (("1.png", "1.jpg"), ["1.jpg", "1.png"], [1, 2]),  # not unique
        (("1.png", "01.png"), ["01.png", "1.png"], [1, 2]),
        (("x/1.png", "y/1.png"), ["x/1.png", "y/1.png"], [1, 2]),
        (("a/20.png", "b/3.png"), ["b/3.png", "a/20.png"], [3, 20]),
        ((f"{10**20}.png", "9.png"), [f"{10**20}.png", "9.png"], [1, 2]),  # no 64-bit number
        (("²3.png", "no 12, rue é.png"), ["no 12, rue é.png", "²3.png"], [1, 2]),
    ],
)
def test_a_folder_of_any_names(
    tmp_path: Path, names: tuple[str, ...], order: list[str], ids: list[int]
) -> None:
    data = PhotoFolder(str(photos(tmp_path, *names)))
    assert [data.file_name(i) for i in range(len(data))] == order
    assert [data[i][1]["image_id"] for i in range(len(data))] == ids == data.image_ids.tolist()


def test_photos_come_with_empty_targets(tmp_path: Path) -> None:
    photo, target = PhotoFolder(str(photos(tmp_path, "a.png")))[0]
    assert photo.shape == (3, 4, 5)
    assert target["boxes"].shape == (0, 4) and target["labels"].shape == (0,)


def test_other_files_are_left_out(tmp_path: Path) -> None:
    photos(tmp_path, "a.PNG")
    (tmp_path / "notes.txt").write_text("12")
    (tmp_path / "folder.png").mkdir()
    assert len(PhotoFolder(str(tmp_path))) == 1


def test_what_a_mac_leaves_beside_photos_is_left_out(tmp_path: Path) -> None:
    photos(tmp_path, "a.png")
    (tmp_path / "._a.png").write_bytes(b"no photo")
    data = PhotoFolder(str(tmp_path))
    assert [data.file_name(i) for i in range(len(data))] == ["a.png"]


def test_photos_of_formats_that_are_not_read_are_named(tmp_path: Path, capsys: Any) -> None:
    photos(tmp_path, "a.png")
    for name in ("1.HEIC", "2.heic", "3.gif"):
        (tmp_path / name).write_bytes(b"")
    assert len(PhotoFolder(str(tmp_path))) == 1
    assert "not read: 1 .gif, 2 .heic" in " ".join(capsys.readouterr().out.split())


def test_a_folder_called_like_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos(tmp_path / "2023", "a.png")
    monkeypatch.chdir(tmp_path)
    assert len(PhotoFolder("./2023")) == 1
    with pytest.raises(DigitsError, match=r"photos=2023: taken for a number; say photos=\./NAME"):
        PhotoFolder(2023)  # type: ignore[arg-type]  # as Hydra parses it


def test_a_name_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    photos(tmp_path, "a.png")
    (tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"\xff.png"))
    assert PhotoFolder(str(tmp_path)).file_name(0).encode() == b"\\udcff.png"


def test_a_pattern_and_a_single_file(tmp_path: Path) -> None:
    photos(tmp_path, "a.png", "b.png", "deep/a2.png")
    assert len(PhotoFolder(f"{tmp_path}/a*.png")) == 1
    assert len(PhotoFolder(f"{tmp_path}/**/a*.png")) == 2
    assert len(PhotoFolder(f"{tmp_path}/b.png")) == 1


@pytest.mark.parametrize("where", ["", "missing", "*.png"])
def test_no_photos_are_refused(tmp_path: Path, where: str) -> None:
    with pytest.raises(DigitsError, match="no photos there; expected a folder or a pattern"):
        PhotoFolder(f"{tmp_path}/{where}")
