"""Pixels of cameras, scanners and drawing programs, as the 8 bits that they mean."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from digits.data.photos import load_photo, load_reduced

GREY = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def read(path: Path) -> np.ndarray:
    photo = load_photo(path).permute(1, 2, 0).numpy()
    reduced, size = load_reduced(path, 1000)
    assert size == photo.shape[:2] and (reduced.permute(1, 2, 0).numpy() == photo).all()
    return photo


def close(photo: np.ndarray, expected: np.ndarray) -> bool:
    return int(np.abs(photo.astype(int) - expected).max()) <= 1


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_fewer_bits_in_16_are_read_as_the_8_bits_they_mean(
    tmp_path: Path, bits: int, suffix: str
) -> None:
    grey, colour = tmp_path / f"grey.{suffix}", tmp_path / f"colour.{suffix}"
    Image.fromarray(GREY.astype(np.uint16) << (bits - 8)).save(grey)
    cv2.imwrite(str(colour), COLOUR[..., ::-1].astype(np.uint16) << (bits - 8))
    assert close(read(grey), GREY[..., None]) and close(read(colour), COLOUR)


def test_16_bits_of_colour_with_transparent_pixels(tmp_path: Path) -> None:
    values = np.dstack([COLOUR[..., ::-1], np.full((20, 30), 255, np.uint8)]).astype(np.uint16)
    values[:5, :, 3] = 0
    cv2.imwrite(str(tmp_path / "1.png"), values << 4)
    photo = read(tmp_path / "1.png")
    assert (photo[:5] == 255).all() and close(photo[5:], COLOUR[5:])


@pytest.mark.parametrize("orientation", [3, 6])
def test_deep_colours_are_turned_upright_too(tmp_path: Path, orientation: int) -> None:
    deep, flat = tmp_path / "deep.png", tmp_path / "flat.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLOUR).save(flat, exif=exif)
    cv2.imwrite(str(deep), COLOUR[..., ::-1].astype(np.uint16) << 4)  # without EXIF
    chunk = flat.read_bytes()
    start = chunk.index(b"eXIf") - 4
    chunk = chunk[start : start + 12 + int.from_bytes(chunk[start : start + 4], "big")]
    content = deep.read_bytes()
    deep.write_bytes(content[:33] + chunk + content[33:])  # after the header
    assert close(read(deep), read(flat))


@pytest.mark.parametrize("scale", [1.0, 255.0, 65535.0])
@pytest.mark.parametrize("wild", [1e9, np.inf, np.nan, -1e9])
def test_a_wild_pixel_does_not_darken_a_photo(tmp_path: Path, scale: float, wild: float) -> None:
    values = GREY.astype(np.float32) * (scale / 255)
    values[3, 4] = wild
    Image.fromarray(values).save(tmp_path / "1.tif")
    photo, expected = read(tmp_path / "1.tif"), GREY.copy()
    expected[3, 4] = photo[3, 4, 0]
    assert close(photo, expected[..., None])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
@pytest.mark.parametrize(("ink", "ground"), [(255, 0), (210, 0), (0, 255), (90, 255)])
def test_digits_on_transparent_ground_can_be_seen(
    tmp_path: Path, mode: str, ink: int, ground: int
) -> None:
    values = np.full((20, 30, 4), ink, np.uint8)
    values[..., 3] = 0
    values[5:15, 10:20, 3] = 255
    image = Image.fromarray(values)
    if mode == "PA":
        image = image.quantize()
    image = image if mode == "PA" else image.convert(mode)
    image.save(tmp_path / "1.png")
    photo = read(tmp_path / "1.png")
    assert (photo[0, 0] == ground).all() and close(photo[10, 15], np.array([ink] * 3))
