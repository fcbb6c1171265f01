import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from digits import fingerprints
from digits.data import finding
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
    for name in ("1.CR2", "2.cr2", "3.gif", "bill.pdf", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert len(PhotoFolder(str(tmp_path))) == 1
    assert "not read: 2 .cr2, 1 .gif, 1 .pdf; save" in " ".join(capsys.readouterr().out.split())


def test_a_folder_called_like_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos(tmp_path / "2023", "a.png")
    monkeypatch.chdir(tmp_path)
    assert len(PhotoFolder("./2023")) == 1
    with pytest.raises(DigitsError, match=r"photos=2023: taken for a number; say photos=\./NAME"):
        PhotoFolder(2023)  # as Hydra parses it


def test_a_name_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    photos(tmp_path, "a.png")
    (tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"\xff.png"))
    assert PhotoFolder(str(tmp_path)).file_name(0).encode() == b"\\udcff.png"


def test_a_pattern_and_a_single_file(tmp_path: Path) -> None:
    photos(tmp_path, "a.png", "b.png", "deep/a2.png")
    assert len(PhotoFolder(f"{tmp_path}/a*.png")) == 1
    assert len(PhotoFolder(f"{tmp_path}/**/a*.png")) == 2
    assert len(PhotoFolder(f"{tmp_path}/b.png")) == 1


@pytest.mark.parametrize("where", ["", "*.png"])
def test_no_photos_are_refused(tmp_path: Path, where: str) -> None:
    with pytest.raises(DigitsError, match="no photos there; expected a folder or a pattern"):
        PhotoFolder(f"{tmp_path}/{where}")


def test_a_mistyped_folder_is_told_what_was_meant(tmp_path: Path) -> None:
    photos(tmp_path / "holiday", "a.png")
    with pytest.raises(DigitsError, match=r"holidai: no such file .* did you mean .*/holiday\?"):
        PhotoFolder(f"{tmp_path}/holidai")
    with pytest.raises(DigitsError, match=r"/no/x: no such file or folder\.$"):
        PhotoFolder(f"{tmp_path}/no/x")
    with pytest.raises(DigitsError, match=r"ftp://x/y\.jpg: expected an address .* http or https"):
        PhotoFolder("ftp://x/y.jpg")


def test_names_that_patterns_and_shells_would_take_apart(tmp_path: Path) -> None:
    photos(tmp_path, "photo[1].png", "Urlaub [2024]/a=b.png", "Urlaub [2024]/c d.png")
    assert names(f"{tmp_path}/photo[1].png") == ["photo[1].png"]
    assert names(f"{tmp_path}/Urlaub [2024]/*=*.png") == ["a=b.png"]
    assert names(f"{tmp_path}/Urlaub [2024]") == ["a=b.png", "c d.png"]


def names(value: object) -> list[str]:
    data = PhotoFolder(value)
    return [Path(data.paths[i]).name for i in range(len(data))]


def test_a_list_keeps_its_order_and_names_a_photo_once(tmp_path: Path) -> None:
    photos(tmp_path, "b.png", "a.png", "more/c.png")
    listed = [f"{tmp_path}/b.png", f"{tmp_path}/a.png", f"{tmp_path}/more", f"{tmp_path}/a.png"]
    assert names(listed) == ["b.png", "a.png", "c.png"]


def test_hidden_folders_and_earlier_outputs_are_no_photos_of_the_user(tmp_path: Path) -> None:
    photos(tmp_path, "a.png", ".thumbnails/a.png", "out/readings.png", "out/pictures/a.png")
    photos(tmp_path, "train/valid.png", "train/curves.png", "train/.hydra/b.png")
    (tmp_path / "out/detections.json").write_text("")
    assert names(str(tmp_path)) == ["a.png"]
    photos(tmp_path, "out/mine.png")  # output_dir= may be a folder of photos
    assert names(str(tmp_path)) == ["a.png", "mine.png"]
    photos(tmp_path, "valid.png")  # beside no outputs it is a photo like any other
    assert names(str(tmp_path)) == ["a.png", "mine.png", "valid.png"]


@pytest.mark.parametrize("name", ["a.jfif", "a.JPE", "photos.2024/a.jpg"])
def test_other_names_of_jpegs_and_folders_with_a_dot(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    Image.new("RGB", (5, 4)).save(tmp_path / name, format="JPEG")
    assert names(str(tmp_path)) == [Path(name).name]


def test_linked_folders_are_searched_once(tmp_path: Path) -> None:
    photos(tmp_path / "disk", "a.png")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "linked").symlink_to("../disk")
    (tmp_path / "mine" / "linked" / "back").symlink_to("../mine")
    assert names(f"{tmp_path}/mine") == ["a.png"]


@pytest.mark.parametrize("value", ["", "  ", [], [""]])
def test_nothing_named_is_refused(value: object) -> None:
    with pytest.raises(DigitsError, match="nothing is named"):
        PhotoFolder(value)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    photos(tmp_path, "a.png")
    (tmp_path / "b.png").write_text("no photo")
    (tmp_path / "c.png").touch()
    (tmp_path / "d.png").symlink_to("gone.png")
    (tmp_path / "e.png").symlink_to("e.png")
    data = PhotoFolder(str(tmp_path))
    assert "unreadable" not in data[0][1]
    reasons = [data[i][1]["unreadable"] for i in range(1, len(data))]
    assert "b.png: cannot be read as a photo (its content is no picture)" in reasons[0]
    assert "c.png: cannot be read as a photo (the file is empty)" in reasons[1]
    assert "d.png: no such file" in reasons[2]
    assert "e.png: cannot be read" in reasons[3]
    assert fingerprints.of_photos(data)  # which fusing several models asks for


def test_a_folder_within_that_may_not_be_searched_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(tmp_path, "a.png")
    (tmp_path / "lost+found").mkdir()
    scan = os.scandir

    def refused(folder: Path) -> Any:  # root may search everything
        if Path(folder) == refusing:
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refused)
    refusing = tmp_path / "lost+found"
    one, other = PhotoFolder(str(tmp_path))
    assert "unreadable" not in one[1]
    assert other[1]["unreadable"] == f"{refusing}: a folder that may not be searched."
    refusing = tmp_path
    with pytest.raises(DigitsError, match=r"cannot be searched \(Permission denied\)"):
        PhotoFolder(str(tmp_path))


def test_photos_of_phones_without_pillow_heif_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(finding, "readable_suffixes", lambda: frozenset({".png"}))
    (tmp_path / "1.HEIC").write_bytes(b"")
    with pytest.raises(DigitsError, match=r"only \.heic, .*pip install pillow-heif"):
        PhotoFolder(str(tmp_path))
    photos(tmp_path, "a.png")
    assert names(str(tmp_path)) == ["a.png"]
    assert "not read: 1 .heic" in capsys.readouterr().out


def test_photos_of_phones_are_read_where_pillow_heif_is_installed(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    picture = Image.new("RGB", (64, 48), "red")
    pillow_heif.from_pillow(picture).save(tmp_path / "IMG_1.HEIC")
    (tmp_path / "IMG_1.jpg").write_bytes((tmp_path / "IMG_1.HEIC").read_bytes())
    data = PhotoFolder(str(tmp_path))
    assert len(data) == 2  # one is named as what it is not
    for photo, target in (data[0], data[1]):
        assert photo.shape == (3, 48, 64) and target["size"] == (48, 64)
        assert photo[0].float().mean() > 200 and photo[2].float().mean() < 50


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_damaged_photo_of_a_phone_says_so(tmp_path: Path, share: float) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "IMG_1.heic"
    pillow_heif.from_pillow(Image.effect_noise((64, 48), 50).convert("RGB")).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "IMG_1.heic: cannot be read" in PhotoFolder(str(tmp_path))[0][1]["unreadable"]
