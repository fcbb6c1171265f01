"""The synthetic photos keep their contract, SVHN's statistics, and honest boxes."""

import random
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from digits.data.synthetic import SyntheticDigits, fit_layouts, layouts, render, scenery, typefaces
from digits.errors import DigitsError

COUNT = 400


@pytest.fixture(scope="module")
def items():
    data = SyntheticDigits(COUNT, seed=7)
    return [data[index] for index in range(COUNT)]


def test_a_photo_depends_on_seed_and_index_alone() -> None:
    first, second = SyntheticDigits(20, seed=3), SyntheticDigits(50, seed=3)
    expected = {index: first[index] for index in range(20)}
    random.seed(1)
    torch.manual_seed(1)
    for index in reversed(range(20)):
        photo, target = second[index]
        assert torch.equal(photo, expected[index][0])
        assert torch.equal(target["boxes"], expected[index][1]["boxes"])
        assert torch.equal(target["labels"], expected[index][1]["labels"])


def test_the_same_in_worker_processes() -> None:
    data = SyntheticDigits(4, seed=5)
    # Spawned, not forked: a worker must not lean on this process's caches.
    loader = torch.utils.data.DataLoader(
        data, batch_size=None, num_workers=1, multiprocessing_context="spawn"
    )
    for (photo, target), (expected, wanted) in zip(loader, data, strict=False):
        assert torch.equal(photo, expected)
        assert torch.equal(target["boxes"], wanted["boxes"])


def test_seeds_and_indices_differ() -> None:
    a, b = SyntheticDigits(10, seed=0), SyntheticDigits(10, seed=1)
    photos = [data[index][0] for data in (a, b) for index in range(10)]
    assert len({photo.numpy().tobytes() for photo in photos}) == 20


def test_ids_and_names_count_from_1() -> None:
    data = SyntheticDigits(COUNT, seed=7)
    assert data.image_ids.tolist() == list(range(1, COUNT + 1))
    assert data.file_name(4) == "5.png"


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (-1, 0), (3, -1), (10**20, 0)])
def test_refuses_bad_arguments(count: int, seed: int) -> None:
    with pytest.raises(DigitsError, match="expected a count of 1 to"):
        SyntheticDigits(count, seed)


def test_boxes_are_whole_pixels_inside_the_photo(items) -> None:
    for photo, target in items:
        height, width = photo.shape[1:]
        boxes = target["boxes"]
        assert torch.equal(boxes, boxes.round())
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2] <= width).all() and (boxes[:, 3] <= height).all()
        assert (boxes[:, 2] - boxes[:, 0] >= 3).all()


def test_one_height_per_number(items) -> None:
    for _, target in items:
        heights = target["boxes"][:, 3] - target["boxes"][:, 1]
        assert (heights == heights[0]).all()


def test_statistics_are_near_those_of_svhn(items) -> None:
    """Against 33,402 images of SVHN train; the step back (30 % of photos) lowers box / photo."""
    ratio, share, gap, count, digits = [], [], [], [], []
    for photo, target in items:
        boxes = target["boxes"].numpy()
        tall = boxes[0, 3] - boxes[0, 1]
        ratio += list(tall / (boxes[:, 2] - boxes[:, 0]))
        share.append(tall / photo.shape[1])
        ordered = boxes[boxes[:, 0].argsort()]
        gap += list((ordered[1:, 0] - ordered[:-1, 2]) / tall)
        count.append(len(boxes))
        digits += list(target["labels"].numpy() - 1)
    np.testing.assert_allclose(np.quantile(ratio, (0.05, 0.5, 0.95)), (1.4, 2.07, 3.56), rtol=0.2)
    assert 0.5 < np.median(share) < 0.68  # 0.67 in SVHN
    assert 0.2 < np.quantile(share, 0.05) < 0.36 and 0.8 < np.quantile(share, 0.95) < 0.92
    assert np.mean(np.array(share) < 0.5) > 0.2
    np.testing.assert_allclose(np.quantile(gap, (0.05, 0.5, 0.95)), (-0.15, 0, 0.14), atol=0.08)
    lengths = np.bincount(count, minlength=5)[1:5] / len(count)
    np.testing.assert_allclose(lengths, (0.15, 0.54, 0.26, 0.04), atol=0.07)
    values = np.bincount(digits, minlength=10) / len(digits)
    assert values.argmax() == 1 and 0.14 < values[1] < 0.24 and values.min() > 0.03


def test_boxes_hold_the_ink() -> None:
    """Each box is full of its own digit; next to no ink lies outside all boxes."""
    inside, spread = [], []
    for index in range(150):
        photo, boxes, _, ink = render.render_with_ink(np.random.default_rng((11, index)))
        assert ink.shape == photo.shape[:2]
        total = ink.sum()
        held = np.zeros_like(ink)
        for x1, y1, x2, y2 in boxes.astype(int):
            part = ink[y1:y2, x1:x2]
            rows = np.flatnonzero(part.max(1) > 0.3)
            columns = np.flatnonzero(part.max(0) > 0.3)
            if len(rows) and len(columns):
                spread.append((np.ptp(rows) + 1) / (y2 - y1))
                spread.append((np.ptp(columns) + 1) / (x2 - x1))
            held[y1:y2, x1:x2] = 1
        inside.append((ink * held).sum() / total)
    assert np.quantile(inside, 0.02) > 0.9  # some annotators cut a digit's tip off
    assert np.median(spread) > 0.85 and np.quantile(spread, 0.05) > 0.6


def test_the_digit_stands_out_in_its_box() -> None:
    """In the finished photo, ink and ground differ: most by far, a few may be lost in blur."""
    contrast = []
    for index in range(150):
        photo, boxes, _, ink = render.render_with_ink(np.random.default_rng((12, index)))
        x1, y1, x2, y2 = (*boxes[:, :2].min(0).astype(int), *boxes[:, 2:].max(0).astype(int))
        gray, mask = photo[y1:y2, x1:x2].mean(2), ink[y1:y2, x1:x2]
        contrast.append(abs((gray * mask).sum() / mask.sum() - gray[mask < 0.1].mean()))
    assert np.median(contrast) > 25
    assert np.mean(np.array(contrast) > 5) > 0.85


def test_every_typeface_has_ten_different_digits() -> None:
    for face in range(len(typefaces.FACES)):
        glyphs = [typefaces.glyph(face, str(digit)) for digit in range(10)]
        for shape in glyphs:
            assert shape.mask.shape[0] == typefaces.GLYPH and shape.mask.max() > 200
        assert len({shape.mask.tobytes() for shape in glyphs}) == 10, typefaces.FACES[face]


def test_a_missing_typeface_names_its_package(monkeypatch) -> None:
    monkeypatch.setattr(typefaces, "FACES", (("Nowhere Sans", 400, "normal"),))
    typefaces._font.cache_clear()
    typefaces.glyph.cache_clear()
    with pytest.raises(DigitsError, match="pip install fontpkg fontpkg-nowhere-sans"):
        typefaces.glyph(0, "7")
    typefaces._font.cache_clear()
    typefaces.glyph.cache_clear()


def test_clutter_leaves_the_number_alone() -> None:
    for index in range(200):
        rng = np.random.default_rng(index)
        picture = np.full((60, 120, 3), 0.5, np.float32)
        scenery.clutter(rng, picture, np.array([40, 15, 80, 45]), 25.0)
        assert (picture[20:40, 45:75] == 0.5).all()


def test_the_shipped_table_is_small() -> None:
    assert layouts.TABLE.stat().st_size < 100_000


def test_fit(tmp_path: Path) -> None:
    photo = np.full((40, 80, 3), 200, np.uint8)
    photo[10:30, 30:34] = photo[10:30, 42:46] = 20  # two black bars, B, G and R alike
    cv2.imwrite(str(tmp_path / "1.png"), photo)
    csv = tmp_path / "boxes.csv"
    header = "image_id,width,height,digit,x_min,y_min,x_max,y_max\n"
    stacked = "2,50,90,3,20,10,30,30\n2,50,90,4,21,32,31,52\n"
    csv.write_text(header + "1,80,40,7,28,10,37,30\n1,80,40,1,40,14,48,34\n" + stacked)
    table = fit_layouts.fit(csv, tmp_path, count=10)
    assert table["digits"].tolist() == [[7, 1, -1, -1]]  # the stacked number is left out
    width, height, tall, x, y, slope, _, gap = table["rows"][0].tolist()
    assert (width, height, tall, x, y) == (80, 40, 20, 76, 44)
    assert slope == round(1000 * 4 / 11.5) and gap == round(1000 * 3 / 20)
    ink, ground, around = table["colours"][0].mean(1)
    assert ink < 60 and ground > 150 and around > 150


@pytest.mark.slow
def test_fast_enough_to_feed_training() -> None:
    data = SyntheticDigits(400, seed=1)
    for index in range(200):
        data[index]  # fill the caches of glyphs
    start = time.process_time()
    for index in range(200, 400):
        data[index]
    assert 200 / (time.process_time() - start) > 60
