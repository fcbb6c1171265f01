"""Which photos a report shows, and which part of each."""

import io
from pathlib import Path
from typing import Any

import made
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from digits.errors import DigitsError
from digits.report.gallery import Gallery, read_gallery, write_gallery
from digits.report.tiles import Tile, chosen, tile
from digits.types import Reading


def item(number: str = "7", truth: str | None = None, confidence: float = 0.5, **more: Any) -> Tile:
    known: dict[str, Any] = {
        "image_id": 1, "file_name": "1.png", "height": 60, "width": 120, "runner_up": "",
        "boxes": [], "true_boxes": [], "view": (0.0, 0.0, 120.0, 60.0),
    }  # fmt: skip
    return Tile(number=number, truth=truth, confidence=confidence, **(known | more))


def test_the_surest_wrong_numbers_come_first_and_some_right_ones_last() -> None:
    right = [item("7", "7", 1.0, image_id=k) for k in range(50)]
    wrong = [item("7", "1", c) for c in (0.2, 0.9, 0.5)]
    shown = chosen([*right[:25], *wrong, *right[25:]])
    assert [one.confidence for one in shown[:3]] == [0.9, 0.5, 0.2]
    assert [one.image_id for one in shown[3:]] == list(range(24))


def test_without_labels_the_least_sure_come_first() -> None:
    shown = chosen([item(confidence=c) for c in (0.9, 0.1, 0.5)])
    assert [one.confidence for one in shown] == [0.1, 0.5, 0.9]


def test_numbers_that_are_not_accepted_come_before_all_others() -> None:
    shown = chosen([item(confidence=c, accepted=a) for c, a in ((0.4, True), (0.6, False))])
    assert [one.confidence for one in shown] == [0.6, 0.4]


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), max_size=500), st.booleans(), st.integers(0, 500))
def test_choosing_in_parts_chooses_the_same(sure: list[float], labelled: bool, cut: int) -> None:
    tiles = [item(str(k % 3), "1" if labelled else None, c, image_id=k) for k, c in enumerate(sure)]
    in_parts = chosen([*chosen(tiles[:cut]), *tiles[cut:]])
    assert [t.image_id for t in in_parts] == [t.image_id for t in chosen(tiles)]


def test_a_small_number_in_a_large_photo_is_shown_enlarged(tmp_path: Path) -> None:
    found = made.detections([[1000, 1000, 1020, 1040]], [0.9], [8])
    record = made.record(found, 3, (3000, 4000))
    one = tile(record, Reading("7", np.array([0]), 0.9), None)
    assert one.view == (960.0, 960.0, 1060.0, 1080.0)

    reduced = torch.zeros(3, 1500, 2000, dtype=torch.uint8)
    reduced[0, 500:520, 500:510] = 255  # a red digit, in pixels of the reduced photo
    write_gallery(tmp_path / "gallery.json", [one], [0.9], [], {3: reduced}.get)
    kept = read_gallery(tmp_path / "gallery.json")
    assert kept is not None and kept.tiles[0].boxes[0].text == "7"
    pixels = np.asarray(Image.open(io.BytesIO(kept.tiles[0].picture)))
    assert pixels.shape == (60, 50, 3)
    assert pixels[30, 25, 0] > 200 and pixels[5, 5, 0] < 50


def test_photos_that_are_gone_are_shown_without_pixels(tmp_path: Path) -> None:
    for opener in (None, lambda image_id: None):
        write_gallery(tmp_path / "gallery.json", [item()], [0.5], [], opener)
        assert read_gallery(tmp_path / "gallery.json") == Gallery([item()], [0.5], [])


def test_a_gallery_of_another_shape_is_refused(tmp_path: Path) -> None:
    assert read_gallery(tmp_path / "gallery.json") is None
    (tmp_path / "gallery.json").write_text('{"tiles": [{"image_id": "x"}], "confidence": []}')
    with pytest.raises(DigitsError, match=r"gallery\.json: tiles\[0\]\.image_id: expected a whole"):
        read_gallery(tmp_path / "gallery.json")
