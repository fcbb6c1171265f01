import math

import cv2
import numpy as np
import pytest

from digits.recognition.crops import CropOptions, Row, crop_row, padded, row_of, to_batches

STRAIGHT = CropOptions(upright=0.0)


def drawn(angle: float, scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Three dark rectangles in a row turned by degrees, and their boxes before the turn."""
    size = 160 * scale
    photo = np.full((size, size, 3), 220, np.uint8)
    turn = math.radians(angle)
    along = np.array([math.cos(turn), math.sin(turn)])
    across = np.array([-along[1], along[0]])
    boxes = []
    for place in (-40, 0, 40):
        centre = size / 2 + along * place * scale
        ends = ((-10, -18), (10, -18), (10, 18), (-10, 18))
        corners = [centre + (along * x + across * y) * scale for x, y in ends]
        cv2.fillPoly(photo, [np.round(corners).astype(np.int32)], (20, 20, 20))
        half = np.array([10, 18]) * scale
        boxes.append([*(centre - half), *(centre + half)])
    return photo, np.array(boxes)


def middles(crop: np.ndarray) -> list[float]:
    """The height at which each third of a crop is dark, from its top."""
    dark = crop[:, :, 0] < 120
    thirds = np.array_split(dark, 3, axis=1)
    return [float(np.nonzero(third)[0].mean()) for third in thirds]


@pytest.mark.parametrize("angle", [-35, -12, 0, 8, 25, 40])
def test_a_tilted_row_lies_level(angle: float) -> None:
    photo, boxes = drawn(angle)
    row = row_of(boxes)
    assert math.degrees(row.angle) == pytest.approx(angle, abs=2)
    crop = crop_row(photo, row, STRAIGHT)
    assert crop.shape[0] == 48
    assert np.ptp(middles(crop)) < 2
    assert np.mean(middles(crop)) == pytest.approx(23.5, abs=1.5)


def test_margin_and_stretch_make_the_size() -> None:
    photo, boxes = drawn(0)
    row = row_of(boxes)
    assert (row.length, row.height, row.digit) == pytest.approx((100, 36, 36))
    plain = crop_row(photo, row, CropOptions(margin=0, stretch=1))
    assert plain.shape == (48, round(100 * 48 / 36), 3)
    wide = crop_row(photo, row, CropOptions(margin=0.25, stretch=1.5))
    assert wide.shape == (48, round(118 * 48 / 54 * 1.5), 3)
    assert (plain[:, 2:24] < 60).all()  # the first digit, from edge to edge
    assert (wide[:6] > 200).all()


def test_a_large_photo_is_read_at_the_crop_s_resolution() -> None:
    large, large_boxes = drawn(15, scale=12)
    small = cv2.resize(large, (480, 480), interpolation=cv2.INTER_AREA)
    expected = crop_row(small, row_of(large_boxes / 4)).astype(int)
    got = crop_row(large, row_of(large_boxes)).astype(int)
    assert got.shape == expected.shape
    assert np.abs(got - expected).mean() < 2
    # Fine stripes become grey rather than new, coarser stripes.
    large[:, ::2] = 0
    large[:, 1::2] = 255
    assert np.ptp(crop_row(large, row_of(large_boxes))) < 40


def test_a_row_beyond_the_photo_repeats_its_edge() -> None:
    photo = np.full((20, 30, 3), 99, np.uint8)
    assert (crop_row(photo, Row(28, 3, 60, 40, 0.2, 40)) == 99).all()
    assert crop_row(photo, Row(5, 5, 0.1, 0.1)).shape == (48, 55, 3)


@pytest.mark.parametrize("length", [1, 50, 5000])
def test_widths_are_bounded(length: float) -> None:
    photo = np.zeros((50, 60, 3), np.uint8)
    assert 16 <= crop_row(photo, Row(30, 25, length, 20, 0, 20)).shape[1] <= 320


def test_no_boxes_make_no_row() -> None:
    with pytest.raises(ValueError, match="at least one box"):
        row_of(np.zeros((0, 4)))


def test_batches_hold_crops_of_one_width() -> None:
    crops = [np.full((48, width, 3), width, np.uint8) for width in (20, 33, 64, 31, 100)]
    batches = to_batches(crops, size=2)
    assert sorted(index for chosen, _ in batches for index in chosen) == [0, 1, 2, 3, 4]
    for chosen, batch in batches:
        assert batch.shape == (len(chosen), 3, 48, batch.shape[3])
        assert batch.shape[3] % 16 == 0
        for index, crop in zip(chosen, batch, strict=True):
            width = crops[index].shape[1]
            assert (crop[:, :, :width] == width).all() and (crop[:, :, width:] == 127).all()
    assert padded(crops[2]).shape == (48, 64, 3)
