from pathlib import Path

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


def test_a_pattern_and_a_single_file(tmp_path: Path) -> None:
    photos(tmp_path, "a.png", "b.png", "deep/a2.png")
    assert len(PhotoFolder(f"{tmp_path}/a*.png")) == 1
    assert len(PhotoFolder(f"{tmp_path}/**/a*.png")) == 2
    assert len(PhotoFolder(f"{tmp_path}/b.png")) == 1


@pytest.mark.parametrize("where", ["", "missing", "*.png"])
def test_no_photos_are_refused(tmp_path: Path, where: str) -> None:
    with pytest.raises(DigitsError, match="no photos there; expected a folder or a pattern"):
        PhotoFolder(f"{tmp_path}/{where}")
