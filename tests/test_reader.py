"""The library: `digits.load()` reads what a Python user has at hand."""

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image, ImageDraw, ImageFont

import digits
from digits.detections import read_detections
from digits.errors import DigitsError

PHOTOS = ROOT / "docs" / "photos"
ONE = PHOTOS / "house-25.png"


@pytest.fixture(scope="module")
def reader() -> digits.NumberReader:
    return digits.load(device="cpu")


def picture() -> Image.Image:
    return Image.open(ONE).convert("RGB")


FORMS: dict[str, Callable[[], Any]] = {
    "path": lambda: ONE,
    "text": lambda: str(ONE),
    "picture": picture,
    "array": lambda: np.asarray(picture()),
    "tensor": lambda: torch.from_numpy(np.array(picture())).permute(2, 0, 1),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_photo_in_any_form(reader: digits.NumberReader, form: str) -> None:
    result = reader.read(FORMS[form]())
    assert result.number == "25" and 0.5 < result.confidence <= 1 and result.runner_up != "25"
    assert "".join(digit.text for digit in result.digits) == "25"
    width, height = picture().size
    for digit in result.digits:
        left, top, right, bottom = digit.box
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        assert 0.5 < digit.score <= 1
    assert result.digits[0].box[0] < result.digits[1].box[0]
    assert result == reader.read(ONE)


@pytest.mark.parametrize("number", ["0012345", "48123456"])
def test_a_long_number_is_read_whole(reader: digits.NumberReader, number: str) -> None:
    font = ImageFont.load_default(size=40)
    photo = Image.new("RGB", (int(font.getlength(number)) + 40, 70), "#223366")
    ImageDraw.Draw(photo).text((20, 10), number, font=font, fill="white")
    result = reader.read(photo)
    assert result.number == number and len(result.digits) == len(number)


def test_several_photos_give_a_list_in_their_order(reader: digits.NumberReader) -> None:
    paths = [ONE, PHOTOS / "house-4.png", ONE]
    assert [result.number for result in reader.read(paths)] == ["25", "4", "25"]
    assert reader.read([]) == []


def test_it_reads_what_predict_py_reads(reader: digits.NumberReader, predict: Any) -> None:
    outcome = predict(f"photos={PHOTOS}")
    assert outcome.code == 0, outcome.err
    _, records = read_detections(outcome.folder / "detections.json")
    found = reader.detect([PHOTOS / record["file_name"] for record in records])
    for ours, theirs in zip(found, records, strict=True):
        assert torch.equal(ours["labels"], theirs["labels"])
        assert torch.allclose(ours["boxes"], theirs["boxes"], atol=0.011)  # rounded in the file


@pytest.mark.slow
def test_an_ensemble_reads_what_predict_py_reads_with_it(predict: Any) -> None:
    outcome = predict("ckpt=ensemble", f"photos={PHOTOS}", "pictures=none")
    assert outcome.code == 0, outcome.err
    with (outcome.folder / "numbers.csv").open(newline="", encoding="utf-8") as file:
        theirs = list(csv.DictReader(file))
    results = digits.load("ensemble", device="cpu").read([PHOTOS / r["file_name"] for r in theirs])
    for ours, row in zip(results, theirs, strict=True):
        assert (ours.number, ours.runner_up) == (row["number"], row["runner_up"])
        assert ours.confidence == pytest.approx(float(row["confidence"]), abs=0.002)
        assert ours.accepted == (row["accepted"] == "yes")


def test_several_checkpoints_without_a_fitted_fusion_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DigitsError, match=r"expected a file, a folder that holds best\.ckpt"):
        digits.load(tmp_path)
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "best.ckpt").touch()
    with pytest.raises(DigitsError, match=r"2 checkpoints, but no fusion\.json beside them"):
        digits.load(tmp_path)


def test_boxes_refer_to_the_pixels_of_a_large_photo(reader: digits.NumberReader) -> None:
    large = picture().resize((2400, 2400 * picture().height // picture().width))
    one, other = reader.read(picture()), reader.read(large)
    assert one.number == other.number
    scale = large.width / picture().width
    for a, b in zip(one.digits, other.digits, strict=True):
        assert np.allclose(np.array(a.box) * scale, b.box, atol=0.15 * large.height)


def test_a_photo_on_its_side_is_turned_as_its_camera_says(
    reader: digits.NumberReader, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees, clockwise
    turned = picture().transpose(Image.Transpose.ROTATE_90)
    turned.save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert reader.read(tmp_path / "a.jpg").number == "25"
    with Image.open(tmp_path / "a.jpg") as opened:
        assert reader.read(opened).number == "25"


def test_a_photo_without_any_digit(reader: digits.NumberReader) -> None:
    strict = digits.NumberReader(reader.models, reader.reader, reader.device)
    result = strict.read(np.zeros((40, 60, 3), np.uint8))
    assert isinstance(result.number, str) and result.number != "-1"
    assert result.confidence < 0.5


@pytest.mark.parametrize(
    ("photo", "says"),
    [
        ("missing.png", "missing.png: no such file"),
        ("", r"^'': no path \(a variable that is not set\?\)"),
        ("a\0.png", "cannot be read .*null byte"),
        (np.zeros((4, 5, 1), np.uint8), r"say photo\[\.\.\., 0\]"),
        ("/9j/4AAQ" * 600, "cannot be read .*too long"),
        (np.zeros((4, 5, 3)), r"Expected an array uint8 of shape \(H, W, 3\).*float64"),
        (np.zeros((4, 5, 4), np.uint8), r"got uint8 of shape \(4, 5, 4\)"),
        (np.zeros((0, 5, 3), np.uint8), r"got uint8 of shape \(0, 5, 3\)"),
        (torch.zeros(3, 4, 5), r"Expected a tensor uint8 of shape \(3, H, W\).*got float32"),
        (torch.zeros(4, 5, dtype=torch.uint8), r"of shape \(4, 5\)\.$"),
        (np.zeros((3, 4, 5), np.uint8), r"say photo.transpose\(1, 2, 0\)"),
        (np.zeros((4, 5, 4), np.uint8), r"say PIL.Image.fromarray\(photo\)"),
        (np.zeros((2, 4, 5, 3), np.uint8), r"several photos: say reader.read\(list\(photos\)\)"),
        (torch.zeros(4, 5, 3, dtype=torch.uint8), r"say photo.permute\(2, 0, 1\)"),
        (torch.rand(3, 4, 5), "255 .* photo, as uint8"),
        (torch.zeros(3, 4, 5, dtype=torch.uint8).to_sparse(), "Expected a dense tensor"),
        (torch.zeros(3, 4, 5, dtype=torch.uint8, device="meta"), "Expected a dense tensor"),
        (ROOT / "docs", r"docs: a folder; say reader.read\(sorted\(Path\('.*docs'\).glob"),
    ],
)
def test_what_is_no_photo_is_refused(reader: digits.NumberReader, photo: Any, says: str) -> None:
    with pytest.raises(DigitsError, match=says):
        reader.read(photo)


def cut_short(form: str) -> Image.Image:
    """A picture whose file ends too early; Pillow notices when its pixels are asked for."""
    file = io.BytesIO()
    picture().save(file, form)
    return Image.open(io.BytesIO(file.getvalue()[: -file.tell() // 5]))


@pytest.mark.parametrize(
    ("photo", "says"),
    [
        (lambda: None, "got NoneType .cv2.imread returns None"),
        (lambda: [ONE, None], r"^photos\[1\]: .* got NoneType"),
        (lambda: [ONE, "no.png"], r"^photos\[1\]: no\.png: no such file"),
        (lambda: bytearray(ONE.read_bytes()), r"got bytearray \(say PIL.Image.open"),
        (lambda: memoryview(ONE.read_bytes()), r"got memoryview \(say PIL.Image.open"),
        (lambda: next(os.scandir(ONE.parent)), r"got DirEntry \(say entry.path\)"),
        (ONE.read_bytes, r"a file's path, a Pillow picture.*got bytes \(say PIL.Image.open"),
        (lambda: io.BytesIO(ONE.read_bytes()), r"got BytesIO \(say PIL.Image.open"),
        (lambda: "https://example.org/a.jpg", r"^https://example.org/a.jpg: an address; save"),
        (lambda: [7], "got int"),
        (lambda: Image.new("RGB", (0, 5)), r"got one of \(0, 5\)"),
        (lambda: cut_short("PNG"), "cannot be read as a photo .*[Tt]runcated"),
        (lambda: cut_short("JPEG"), "cannot be read as a photo .*[Tt]runcated"),
    ],
)
def test_what_code_passes_on_by_mistake_is_one_line(
    reader: digits.NumberReader, photo: Callable[[], Any], says: str
) -> None:
    with pytest.raises(DigitsError, match=says) as caught:
        reader.read(photo())
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_ones_own(trained: Any) -> None:
    own = digits.load(trained.folder, device="cpu")  # the best.ckpt of a run
    assert len(own.detect([ONE])[0]["boxes"]) > 0
    with pytest.raises(DigitsError, match=r"ckpt=no.ckpt: no such file"):
        digits.load("no.ckpt")
    with pytest.raises(DigitsError, match=r"ckpt=smal: no such file; did you mean small\?"):
        digits.load("smal")
    with pytest.raises(DigitsError, match=r"ckpt='a\\x00': a NUL character, which no path has"):
        digits.load("a\0")
    with pytest.raises(DigitsError, match=r"ckpt=x{5000}: no such file"):
        digits.load("x" * 5000)
    for device in ("tpu", None):
        with pytest.raises(DigitsError, match=f"device={device}"):
            digits.load(device=device)


@pytest.mark.parametrize("ckpt", [5, None, ["small"], ONE.read_bytes()])
def test_what_is_no_checkpoint_is_one_line(ckpt: Any) -> None:
    says = (
        r"^digits.load\(.*expected small, .*or the path of a checkpoint, got (int|NoneT|list|bytes)"
    )
    with pytest.raises(DigitsError, match=says) as caught:
        digits.load(ckpt)
    assert len(str(caught.value)) < 200


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = digits.nothing
