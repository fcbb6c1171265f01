"""What people and programs see of each photo."""

import errno
import io
import json
import os
import sys
from pathlib import Path

import made
import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from digits import console
from digits.errors import DigitsError
from digits.evaluation.pictures import (
    DOUBTFUL,
    RIGHT,
    UNKNOWN,
    WRONG,
    Picture,
    draw_picture,
    draw_sheet,
)
from digits.inference import lines
from digits.inference.photo_pictures import MAX_PICTURES, PhotoPictures
from digits.inference.results import PhotoResult
from digits.io import atomic_write
from digits.types import Reading


def result(
    name: str, number: str, confidence: float, truth: str | None = None, runner_up: str = ""
) -> PhotoResult:
    return PhotoResult(name, number, confidence, confidence >= 0.5, runner_up, [], truth)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    out = io.StringIO()
    monkeypatch.setattr(lines, "console", Console(file=out, width=200, soft_wrap=True))
    return out


def words(out: io.StringIO) -> list[list[str]]:
    return [line.split() for line in out.getvalue().splitlines()]


def test_photos_appear_as_they_are_read_and_then_those_to_check(shown: io.StringIO) -> None:
    seen = lines.Lines(count=3)
    seen.add(result("b.jpg", "418", 0.4, runner_up="41"))
    assert words(shown) == [["b.jpg", "418", "0.40", "check:", "may", "be", "41", "or", "none"]]
    seen.add(result("a b.jpg", "7", 0.99))
    seen.add(result("c.jpg", "-1", 0.0))
    seen.close()
    assert words(shown)[1:3] == [["a", "b.jpg", "7", "0.99"], ["c.jpg", "none", "0.00", "check"]]
    assert "To check, 2 of 3" in shown.getvalue()
    assert [line[0] for line in words(shown)[4:]] == ["c.jpg", "b.jpg"]  # the least sure first


def test_where_all_are_to_check_none_is_shown_twice(shown: io.StringIO) -> None:
    seen = lines.Lines(count=1)
    seen.add(result("a.jpg", "4", 0.4))
    seen.close()
    assert len(words(shown)) == 1


def test_of_many_photos_only_the_doubtful_are_shown(shown: io.StringIO) -> None:
    seen = lines.Lines(count=5000)
    for index in range(60):
        seen.add(result(f"{index}.jpg", "7", 0.9 if index % 2 else 0.1))
    seen.close()
    assert not any(line[0] == "1.jpg" for line in words(shown))
    assert len(words(shown)) == 30 + 1 + 20 + 1
    assert "and 10 more: numbers.csv" in shown.getvalue()


def test_labelled_photos_are_listed_at_the_end_wrong_ones_first(shown: io.StringIO) -> None:
    seen = lines.Lines(count=4)
    for name, number, confidence, truth in (
        ("right.jpg", "12", 0.9, "12"), ("wrong.jpg", "1", 0.6, "4"), ("sure.jpg", "5", 0.95, "6"),
        ("wall.jpg", "0", 0.2, ""),
    ):  # fmt: skip
        seen.add(result(name, number, confidence, truth))
    assert not shown.getvalue()
    seen.close()
    assert shown.getvalue().startswith("3 of 4 numbers are wrong")
    assert [line[0] for line in words(shown)[1:]] == [
        "sure.jpg", "wrong.jpg", "wall.jpg", "right.jpg",
    ]  # fmt: skip
    assert "wrong, is 6" in shown.getvalue() and "wrong, is no number" in shown.getvalue()


def test_where_no_number_is_wrong_the_list_says_so(shown: io.StringIO) -> None:
    seen = lines.Lines(count=2)
    for name, confidence in (("a.jpg", 0.9), ("b.jpg", 0.8)):
        seen.add(result(name, "12", confidence, "12"))
    seen.close()
    assert shown.getvalue().startswith("2 of 2 numbers are right, the least sure first:\n  b.jpg")


def test_long_names_move_the_columns_of_all_that_follow(shown: io.StringIO) -> None:
    seen, folder = lines.Lines(count=2), "/home/somebody/Pictures/2026-08 holiday"
    for name in ("IMG_1234.jpg", "b.jpg"):
        seen.add(result(f"{folder}/{name}", "12", 0.9))
    first, second = shown.getvalue().splitlines()
    assert first.index(" 12 ") == second.index(" 12 ")


def test_a_disk_that_stdout_fills_is_not_said_of_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left")

    monkeypatch.setattr(sys, "stdout", Full())
    with (
        pytest.raises(DigitsError, match=r"^json=true: stdout cannot be written \(No space left\)"),
        atomic_write(tmp_path / "numbers.csv"),
    ):
        lines.JsonLines().add(result("a.jpg", "7", 0.9))


def test_a_name_cannot_write_on_the_terminal(shown: io.StringIO) -> None:
    lines.Lines(1).add(result("a\x1b[31m\nb[bold].jpg", "7", 0.9))
    assert "a\\x1b[31m\\nb[bold].jpg" in shown.getvalue()


def test_brackets_in_a_name_are_no_style(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = {"photos": 2, "[bold]accepted": 1, "map": 0.5}
    console.result_table("1 photo (IMG [x] [/red].png)", figures, {})
    console.banner("digits: [x]", {"photos": "[/x].png", "outputs": "a\x1b[31m\nb"})
    list(console.with_progress([1], 1, "[/b]@0.8, valid"))
    shown = capsys.readouterr().out
    for text in (
        "IMG [x] [/red].png",
        "[bold]accepted",
        "digits: [x]",
        "[/x].png",
        "[/b]@0.8",
        r"a\x1b[31m\nb",
    ):
        assert text in shown, text
    rows = [line.split("│")[1:3] for line in shown.splitlines() if line.startswith("│")]
    assert [value.strip() for _, value in rows] == ["2", "1", "0.5000"]


def test_a_bar_is_full_where_some_photos_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    list(console.with_progress([1, 2], 5, "photos"))
    assert "2/2" in capsys.readouterr().out


def test_programs_get_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    program = lines.JsonLines()
    program.add(result("höhe\n.jpg", "007", 0.9, truth="007"))
    program.add(result("b.jpg", "-1", 0.0))
    program.unreadable({"c.jpg": "broken"})
    first, second, third = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["file_name"] == "höhe\n.jpg" and first["number"] == first["truth"] == "007"
    assert first["right"] is True and first["accepted"] is True
    assert second["number"] == "" and "truth" not in second
    assert third == {"file_name": "c.jpg", "error": "broken"}


def test_a_report_holds_the_figures_that_the_table_leaves_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = {"map": 0.5, "map_digit_0": 0.4, "photos_per_second": 5.4321}
    console.result_table("valid", figures, {"report": Path("r/report.html")})
    shown = capsys.readouterr().out
    assert "map_digit_0" not in shown and "in the report" in shown and " 5.4 " in shown
    console.result_table("valid", figures, {})
    assert "map_digit_0" in capsys.readouterr().out


def test_a_program_that_has_read_enough_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        with pytest.raises(SystemExit):
            lines.JsonLines().add(result("a.jpg", "7", 0.9))


def picture(**changes: object) -> Picture:
    photo = torch.full((3, 40, 80), 128, dtype=torch.uint8)
    boxes, labels = torch.tensor([[10.0, 5.0, 30.0, 35.0]]), torch.tensor([8])
    whole = Picture(photo, (40, 80), boxes, labels, "7", name="a.jpg", confidence=0.75)
    return whole._replace(**changes)


def colours(image: Image.Image) -> set[tuple[int, ...]]:
    return {colour for _, colour in image.convert("RGB").getcolors(image.width * image.height)}


@pytest.mark.parametrize(
    ("changes", "colour", "caption"),
    [
        ({}, UNKNOWN, "7  0.75"),
        ({"doubtful": True}, DOUBTFUL, "7  0.75  check"),
        ({"truth": "7"}, RIGHT, "7  0.75"),
        ({"truth": "1"}, WRONG, "7 (is 1)  0.75"),
        ({"truth": ""}, WRONG, "7 (is no number)  0.75"),
        ({"number": "-1", "truth": ""}, RIGHT, "none  0.75"),
    ],
)
def test_colours_and_captions_say_what_is_known(
    changes: dict[str, object], colour: tuple[int, int, int], caption: str
) -> None:
    shown = picture(**changes)
    assert shown.caption == caption
    for image in (draw_picture(shown), draw_sheet([shown])):
        assert {UNKNOWN, DOUBTFUL, RIGHT, WRONG} & colours(image) == {colour}


def test_a_small_photo_is_drawn_large_and_a_box_where_it_is() -> None:
    image = draw_picture(picture())
    assert image.width == 640
    photo = image.crop((0, image.height - 320, 640, image.height))
    assert photo.getpixel((10 * 8 + 1, 20 * 8)) == UNKNOWN  # the box's left side, 8 times as large
    assert photo.getpixel((20 * 8, 20 * 8)) == (128, 128, 128)


def test_pictures_are_named_after_photos_never_twice_and_never_elsewhere(tmp_path: Path) -> None:
    drawn = PhotoPictures(tmp_path / "pictures", "all", count=5)
    record = made.record(made.detections())
    reading = Reading("-1", np.zeros(0, dtype=np.int64), 0.0)
    for name in ("a.png", "A.jpg", "x/a.png", "../../etc/b.png", "/abs/c.d.png"):
        shown = result(name, "-1", 0.0)
        assert drawn.wants(shown)
        drawn.add(picture().photo, record, reading, shown)
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {
        "a.jpg", "A (2).jpg", "x_a.jpg", "etc_b.jpg", "abs_c.d.jpg",
    }  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


@pytest.mark.parametrize(
    ("choice", "count", "wanted"),
    [
        ("all", MAX_PICTURES, {"sure", "doubtful", "wrong"}),
        ("all", MAX_PICTURES + 1, {"doubtful", "wrong"}),
        ("doubtful", 3, {"doubtful", "wrong"}),
        ("none", 3, set()),
    ],
)
def test_which_photos_get_a_picture(
    tmp_path: Path, choice: str, count: int, wanted: set[str]
) -> None:
    pictures = PhotoPictures(tmp_path, choice, count)
    photos = {
        "sure": result("a", "7", 0.9, "7"),
        "doubtful": result("b", "7", 0.3),
        "wrong": result("c", "7", 0.9, "1"),
    }
    assert {name for name, photo in photos.items() if pictures.wants(photo)} == wanted
