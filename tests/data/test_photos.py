import contextlib
import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, UnidentifiedImageError, features

from digits.data.photos import check_photo, load_photo, load_reduced, photo_size, reduced, to_tensor
from digits.errors import DigitsError

RED, WHITE, BLACK = [255, 0, 0], [255, 255, 255], [0, 0, 0]


def pixels(path: Path, size: tuple[int, int] | None = None) -> list:
    photo = load_photo(path, size)
    assert photo.dtype == torch.uint8 and photo.shape[0] == 3 and photo.is_contiguous()
    return photo.permute(1, 2, 0).tolist()


def save(path: Path, array: object, mode: str | None = None, **kwargs: object) -> Path:
    Image.fromarray(np.asarray(array), mode=mode).save(path, **kwargs)
    return path


@pytest.fixture
def png(tmp_path: Path) -> Path:
    return tmp_path / "1.png"


def test_rgb_keeps_channels_and_rows(png: Path) -> None:
    array = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    assert pixels(save(png, array)) == array.tolist()
    assert load_photo(png).shape == (3, 2, 4)


def test_grey_is_the_same_in_all_channels(png: Path) -> None:
    assert pixels(save(png, np.array([[0, 7, 255]], np.uint8))) == [[[0] * 3, [7] * 3, [255] * 3]]


def test_16_bits_are_scaled_not_clipped(png: Path) -> None:
    save(png, np.array([[0, 256, 32896, 65535]], np.uint16))
    assert Image.open(png).mode.startswith("I")
    assert [p[0] for p in pixels(png)[0]] == [0, 1, 128, 255]


@pytest.mark.parametrize("white", [1, 255, 65535])
def test_32_bits_of_any_scale(tmp_path: Path, white: int) -> None:
    values = np.array([[0, 0.2, 1]], np.float32) * white
    Image.fromarray(values).save(tmp_path / "1.tif")
    assert [p[0] for p in pixels(tmp_path / "1.tif")[0]] == [0, 51, 255]


def test_one_bit_is_black_and_white(png: Path) -> None:
    Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1").save(png)
    assert pixels(png) == [[BLACK, WHITE]]


def test_a_palette_is_looked_up(png: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, 1, 2, 3])
    image.putpixel((1, 0), 1)
    image.save(png)
    assert pixels(png) == [[RED, [1, 2, 3]]]


def test_a_transparent_palette_colour_lies_on_white(png: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, 1, 2, 3])
    image.putpixel((1, 0), 1)
    image.save(png, transparency=1)
    assert pixels(png) == [[RED, WHITE]]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        ([[[255, 0, 0, 255], [255, 0, 0, 0]]], [RED, WHITE]),  # RGBA
        ([[[0, 0, 0, 255], [0, 0, 0, 128]]], [BLACK, [127, 127, 127]]),
        ([[[9, 255], [9, 0]]], [[9, 9, 9], WHITE]),  # LA
    ],
)
def test_transparent_pixels_lie_on_white(png: Path, array: list, expected: list) -> None:
    save(png, np.array(array, np.uint8))
    assert pixels(png) == [expected]


def rotated(path: Path, orientation: int, scale: int = 1) -> Path:
    """Stored 40 wide and 20 high, times `scale`: left half black, right half white."""
    side = 20 * scale
    image = Image.fromarray(
        np.repeat(np.array([[0, 255]], np.uint8), side, 1).repeat(side, 0)
    ).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif, quality=95)
    return path


@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize(
    ("orientation", "shape", "dark"),
    [
        (1, (20, 40), (slice(None), slice(0, 18))),
        (3, (20, 40), (slice(None), slice(22, 40))),  # upside down
        (6, (40, 20), (slice(0, 18), slice(None))),  # turn clockwise
        (8, (40, 20), (slice(22, 40), slice(None))),  # turn counterclockwise
    ],
)
def test_a_photo_marked_as_rotated_is_turned_upright(
    tmp_path: Path, kind: str, orientation: int, shape: tuple[int, int], dark: tuple[slice, slice]
) -> None:
    path = rotated(tmp_path / f"1.{kind}", orientation)
    photo = load_photo(path)
    assert photo.shape[1:] == shape == photo_size(path) and load_reduced(path, 100)[1] == shape
    assert photo[0][dark].float().mean() < 10 and photo[0].float().mean() > 100


@pytest.mark.parametrize(
    ("orientation", "shape", "dark"), [(1, (50, 100), np.s_[:, :45]), (6, (100, 50), np.s_[:45, :])]
)
def test_a_large_photo_is_reduced_upright_and_its_own_size_told(
    tmp_path: Path, orientation: int, shape: tuple[int, int], dark: tuple[slice, slice]
) -> None:
    photo, size = load_reduced(rotated(tmp_path / "1.jpg", orientation, scale=20), 100)
    assert photo.shape[1:] == shape and photo.is_contiguous()
    assert size == (8 * shape[0], 8 * shape[1])
    assert photo[0][dark].float().mean() < 10 and photo[0].float().mean() > 100


@pytest.mark.parametrize("kind", ["jpg", "tif"])
def test_a_picture_is_reduced_as_its_file_and_left_as_it_is(tmp_path: Path, kind: str) -> None:
    path = rotated(tmp_path / f"1.{kind}", 6)
    with Image.open(path) as image:
        photo, size = reduced(image, 100)
        assert size == (40, 20) and torch.equal(to_tensor(photo), load_reduced(path, 100)[0])
        assert reduced(image, 10)[0].size == (5, 10)
        assert reduced(image, 100)[0] == photo


def test_a_damaged_tag_does_not_spoil_a_photo(png: Path) -> None:
    Image.new("RGB", (3, 2), "white").save(png, exif=b"Exif\0\0garbage--------")
    assert load_photo(png).shape == (3, 2, 3) and load_reduced(png, 9)[1] == (2, 3)


def test_a_photo_of_too_many_pixels_is_called_so(
    png: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (30, 20)).save(png)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DigitsError, match="too large to be read"):
        load_photo(png)


@pytest.mark.parametrize("name", ["1.png", "1.jpg"])
def test_a_small_photo_is_not_reduced(tmp_path: Path, name: str) -> None:
    Image.effect_noise((40, 20), 90).convert("RGB").save(tmp_path / name)
    photo, size = load_reduced(tmp_path / name, 40)
    assert size == (20, 40) and torch.equal(photo, load_photo(tmp_path / name))


@pytest.mark.parametrize("orientation", [6, 8])
def test_a_rotated_photo_stays_as_stored_where_its_annotation_says_so(
    tmp_path: Path, orientation: int
) -> None:
    path = rotated(tmp_path / "1.jpg", orientation)
    assert load_photo(path, (40, 20)).shape == (3, 40, 20)  # annotated upright
    stored = load_photo(path, (20, 40))
    assert stored.shape == (3, 20, 40) and stored[0, :, :18].float().mean() < 10
    for size in ((40, 20), (20, 40)):
        check_photo(path, size)


@pytest.mark.parametrize(("height", "width"), [(1, 90), (90, 1), (1, 1)])
def test_one_pixel_is_enough(png: Path, height: int, width: int) -> None:
    save(png, np.full((height, width, 3), 9, np.uint8))
    assert load_photo(png, (height, width)).shape == (3, height, width)


def test_another_size_than_annotated_is_refused(png: Path) -> None:
    save(png, np.zeros((20, 30, 3), np.uint8))
    for function in (load_photo, check_photo):
        with pytest.raises(DigitsError, match=r"expected 31 x 20 pixels as annotated, got 30 x 20"):
            function(png, (20, 31))


def noise(path: Path) -> bytes:
    save(path, np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("1.png", None),
        ("1.png", b""),
        ("1.png", b"I am not a picture"),
        ("1.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\n"),
        ("1.png", "half"),
        ("1.jpg", "half"),
        ("1.png", "head"),
        ("folder.png", "folder"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, name: str, content: object) -> None:
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        whole = noise(tmp_path / f"whole{path.suffix}")
        cut = {"half": whole[: len(whole) // 2], "head": whole[:20]}
        path.write_bytes(content if isinstance(content, bytes) else cut[str(content)])
    for function in (load_photo, lambda p: load_reduced(p, 9)):
        with pytest.raises(DigitsError) as caught:
            function(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ") and "\n" not in message
    reasons = {None: "no such file", "folder": "expected a file, got a folder"}
    assert reasons.get(content, "cannot be read as a photo") in message


def test_what_the_disk_refuses_is_no_fault_of_the_photo(
    png: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    png.symlink_to(png.name)
    with pytest.raises(DigitsError) as looped:
        load_photo(png)
    assert str(looped.value) == f"{png}: cannot be read ({os.strerror(errno.ELOOP)})."
    png.unlink()
    save(png, np.zeros((2, 2), np.uint8))

    def refused(*args: object) -> None:  # root may read everything
        raise PermissionError(errno.EACCES, "Permission denied", str(png))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(DigitsError) as closed:
        load_photo(png)
    assert str(closed.value) == f"{png}: cannot be read (Permission denied)."


def test_a_photo_that_vanishes_while_it_is_read_is_one_line(
    png: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    png.write_bytes(b"no photo")

    def vanishing(file: Path, *args: object, **kwargs: object) -> None:
        png.unlink()
        raise UnidentifiedImageError(f"cannot identify {file}")

    monkeypatch.setattr(Image, "open", vanishing)
    with pytest.raises(DigitsError, match=r"1\.png: cannot be read as a photo \(its content is no"):
        load_photo(png)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "tif"])
@settings(max_examples=25, deadline=None)
@given(cut=st.floats(0, 1))
def test_a_photo_cut_anywhere_is_whole_or_refused(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, cut: float
) -> None:
    path = tmp_path_factory.mktemp("cut") / f"1.{suffix}"
    content = noise(path)
    path.write_bytes(content[: round(cut * len(content))])
    with contextlib.suppress(DigitsError):
        assert load_photo(path).shape == (3, 20, 20)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow cannot read AVIF")
def test_an_avif_with_a_changed_byte_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "1.avif"
    content = noise(path)
    refused = set()
    for place in range(0, 300, 3):  # of its boxes, before the pixels
        path.write_bytes(content[:place] + b"\xff" + content[place + 1 :])
        try:
            load_photo(path)
        except DigitsError as error:
            refused.add(str(error.__cause__.__class__.__name__))
    assert "RuntimeError" in refused  # as Pillow raises of AVIF alone


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_png_is_found_by_its_checksums(png: Path, share: float) -> None:
    content = noise(png)
    check_photo(png, (20, 20))
    png.write_bytes(content[: round(share * len(content))])
    with pytest.raises(DigitsError, match="cannot be read as a photo"):
        check_photo(png, (20, 20))


@pytest.mark.parametrize("part", ["pixels", "checksum"])
def test_a_png_with_a_wrong_checksum_is_refused(png: Path, part: str) -> None:
    content = bytearray(noise(png))
    start = content.index(b"IDAT") + 4
    end = start + int.from_bytes(content[start - 8 : start - 4], "big")
    content[start + 500 if part == "pixels" else end] ^= 1
    png.write_bytes(content)
    for function in (load_photo, lambda p: load_reduced(p, 9), lambda p: check_photo(p, (20, 20))):
        with pytest.raises(DigitsError, match=r"1\.png: cannot be read.*checksum"):
            function(png)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_may_never_end_is_not_waited_for(png: Path, kind: str) -> None:
    os.mkfifo(png) if kind == "pipe" else png.symlink_to("/dev/zero")
    for function in (load_photo, photo_size, lambda p: check_photo(p, (20, 20))):
        with pytest.raises(DigitsError, match="expected a file, got a pipe, a device"):
            function(png)
