import json
import math
import shutil
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from digits.data.coco import CocoDigits, open_split
from digits.errors import DigitsError
from digits.types import target_number

Edit = Callable[..., Path]


def test_photos_and_targets_of_a_split(coco_root: Path) -> None:
    data = open_split("train", str(coco_root))
    assert data.labelled and len(data) == 3
    assert data.image_ids.tolist() == [1, 2, 10]
    assert [data.file_name(i) for i in range(3)] == ["1.png", "2.png", "10.png"]
    photo, target = data[2]
    assert photo.shape == (3, 30, 40) and photo.dtype == torch.uint8
    assert target["image_id"] == 10
    assert target["boxes"].dtype == torch.float32 and target["labels"].dtype == torch.int64
    # xywh became xyxy; the order of the file is kept
    assert target["boxes"].tolist() == [[20, 4, 30, 24], [5, 4, 15, 24]]
    assert target["labels"].tolist() == [2, 1]
    assert target_number(target) == "01"
    assert data.size(2) == (30, 40)


def test_targets_are_copies(coco_root: Path) -> None:
    data = open_split("train", str(coco_root))
    data[0][1]["boxes"].zero_()
    data[0][1]["labels"].zero_()
    assert data[0][1]["boxes"].sum() > 0 and data[0][1]["labels"].min() > 0


def test_annotations_may_come_in_any_order(coco_root: Path, edit_json: Edit) -> None:
    before = [open_split("train", str(coco_root))[i][1] for i in range(3)]

    def shuffle(content: dict[str, Any]) -> None:
        content["images"].reverse()
        content["annotations"].sort(key=lambda a: (-a["image_id"] % 7, a["id"]))

    edit_json(shuffle)
    after = open_split("train", str(coco_root))
    for target, index in zip(before, range(3), strict=True):
        assert after[index][1]["image_id"] == target["image_id"]
        assert torch.equal(after[index][1]["boxes"], target["boxes"])
        assert torch.equal(after[index][1]["labels"], target["labels"])


def test_the_unlabelled_test_folder_is_in_numeric_order(coco_root: Path) -> None:
    data = open_split("test", str(coco_root))
    assert not data.labelled
    assert [data.file_name(i) for i in range(3)] == ["1.png", "2.png", "10.png"]
    photo, target = data[2]
    assert photo.shape == (3, 30, 40) and target["image_id"] == 10
    assert target["boxes"].shape == (0, 4) and target["labels"].shape == (0,)


def test_a_labelled_test_folder_is_scored(coco_root: Path) -> None:
    content = json.loads((coco_root / "train.json").read_text())
    (coco_root / "test.json").write_text(json.dumps(content))
    data = open_split("test", str(coco_root))
    assert data.labelled and len(data[0][1]["boxes"]) == 2


def test_some_of_the_images_by_id(coco_root: Path) -> None:
    data = CocoDigits(coco_root / "train", coco_root / "train.json", np.array([2, 10]))
    assert data.image_ids.tolist() == [2, 10] and data[1][1]["labels"].tolist() == [2, 1]


def test_a_photo_without_boxes_stays(coco_root: Path, edit_json: Edit) -> None:
    edit_json(lambda c: c.update(annotations=[a for a in c["annotations"] if a["image_id"] != 2]))
    data = open_split("train", str(coco_root))
    assert len(data) == 3 and data[1][1]["boxes"].shape == (0, 4)
    assert data[1][1]["labels"].dtype == torch.int64
    assert len(data[2][1]["boxes"]) == 2


@pytest.mark.parametrize(
    ("bbox", "expected"),
    [
        ([-3.0, -2.0, 10.0, 10.0], [0, 0, 7, 8]),
        ([35.0, 20.0, 10.0, 20.0], [35, 20, 40, 30]),
        ([-5.0, -5.0, 100.0, 100.0], [0, 0, 40, 30]),
    ],
)
def test_a_box_that_overruns_is_clipped(
    coco_root: Path, edit_json: Edit, bbox: list[float], expected: list[float]
) -> None:
    edit_json(lambda c: c["annotations"][0].update(bbox=bbox))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = open_split("train", str(coco_root))
    assert data[0][1]["boxes"][0].tolist() == expected


@pytest.mark.parametrize(
    "bbox",
    [
        [5.0, 5.0, 0.0, 10.0],
        [5.0, 5.0, 10.0, 0.0],
        [5.0, 5.0, -3.0, 10.0],
        [40.0, 5.0, 10.0, 10.0],
        [50.0, 5.0, 10.0, 10.0],
        [5.0, -30.0, 10.0, 20.0],
        [float("nan"), 5.0, 10.0, 10.0],
    ],
)
def test_boxes_of_no_size_or_outside_are_counted_and_skipped(
    coco_root: Path, edit_json: Edit, bbox: list[float]
) -> None:
    path = edit_json(lambda c: [c["annotations"][i].update(bbox=bbox) for i in (2, 5)])
    with pytest.warns(UserWarning, match=r"skipped 2 boxes of no size") as caught:
        data = open_split("train", str(coco_root))
    assert str(path) in str(caught[0].message) and "2.png" in str(caught[0].message)
    assert [len(data[i][1]["boxes"]) for i in range(3)] == [2, 1, 1]
    assert data[1][1]["boxes"].tolist() == [[5, 4, 15, 24]]
    assert data[1][1]["labels"].tolist() == [3]


def test_no_root_shows_the_expected_tree() -> None:
    with pytest.raises(DigitsError, match="data.root is not set") as caught:
        open_split("train", None)
    assert "train.json" in str(caught.value) and "valid/" in str(caught.value)


@pytest.mark.parametrize("lacking", ["", "train", "train.json"])
def test_a_missing_root_or_json_shows_the_expected_tree(coco_root: Path, lacking: str) -> None:
    path = coco_root / lacking
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DigitsError) as caught:
        open_split("train", str(coco_root))
    message = str(caught.value)
    assert message.startswith(str(path)) and "not there" in message.splitlines()[0]
    assert f"{coco_root}/\n" in message and "valid.json" in message


def drop(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda content: content.pop(key)


def change(part: str, **fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda content: content[part][0].update(fields)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (drop("images"), "lacks 'images'"),
        (lambda c: c["annotations"][1].pop("image_id"), r"annotations\[1\]: lacks 'image_id'"),
        (lambda c: c["images"][0].pop("height"), r"images\[0\]: lacks 'height'"),
        (lambda c: c["annotations"][0].pop("bbox"), r"annotations\[0\]: lacks 'bbox'"),
        (change("images", width="40"), r"images\[0\]\.width: expected a whole .* got '40'"),
        (change("images", file_name=7), r"images\[0\]\.file_name: expected text, got 7"),
        (change("annotations", bbox=[1, 2, 3]), r"annotations\[0\]\.bbox: expected a list of len"),
        (change("annotations", bbox=None), r"annotations\[0\]\.bbox: expected a list.*got None"),
        (change("annotations", category_id="1"), r"\[0\]\.category_id: expected a .* got '1'"),
        (
            change("annotations", category_id=0),
            r"category_id 0 of a box is not among the categories",
        ),
        (
            change("annotations", category_id=11),
            r"category_id 11 of a box is not among the categories",
        ),
        (change("annotations", image_id=99), "image_id 99, which `images` lacks"),
        (change("images", id=2), "image id 2 occurs twice"),
        (change("images", id=math.inf), r"images\[0\]\.id: expected a whole number, got inf"),
        (change("categories", name="1"), r"categories 1 \('1'\) and 2 \('1'\) are the same digit"),
        (lambda c: c.update(images=[], annotations=[]), "no photos; expected at least one"),
    ],
)
def test_json_that_is_not_a_data_set_of_digits_is_refused(
    coco_root: Path, edit_json: Edit, edit: Callable[[dict[str, Any]], Any], says: str
) -> None:
    path = edit_json(edit)
    with pytest.raises(DigitsError, match=says) as caught:
        open_split("train", str(coco_root))
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"not JSON", b"[]", b"7", b"null", b"\xff\xfe", b'{"a": 1'])
def test_what_is_not_json_is_refused(coco_root: Path, text: bytes) -> None:
    (coco_root / "train.json").write_bytes(text)
    with pytest.raises(
        DigitsError, match="not JSON|expected named values|lacks 'images'"
    ) as caught:
        open_split("train", str(coco_root))
    message = str(caught.value)
    assert message.startswith(f"{coco_root}/train.json: ") and "\n" not in message


def test_a_listed_photo_that_is_missing_is_named(coco_root: Path) -> None:
    (coco_root / "train" / "2.png").unlink()
    with pytest.raises(DigitsError, match=r"2\.png: listed in .*train\.json.*1 of 3 photos are"):
        open_split("train", str(coco_root))


def test_a_truncated_photo_is_found_at_the_start(coco_root: Path) -> None:
    path = coco_root / "train" / "2.png"
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DigitsError, match=r"2\.png: cannot be read as a photo"):
        open_split("train", str(coco_root))


def test_a_photo_of_another_size_is_found_at_the_start(coco_root: Path) -> None:
    Image.new("RGB", (41, 30)).save(coco_root / "train" / "2.png")
    with pytest.raises(DigitsError, match=r"2\.png: expected 40 x 30 pixels as annotated, got 41"):
        open_split("train", str(coco_root))


def test_hundreds_of_thousands_of_photos_fit_into_memory(tmp_path: Path) -> None:
    count = 5000
    (tmp_path / "train").mkdir()
    for i in range(count):
        (tmp_path / "train" / f"{i}.png").touch()
    images = [{"id": i, "file_name": f"{i}.png", "height": 57, "width": 128} for i in range(count)]
    box = {"category_id": 3, "area": 200.0, "iscrowd": 0}
    boxes = [
        {"id": k, "image_id": k // 3, "bbox": [5.0 + 20 * (k % 3), 4.0, 10.0, 20.0], **box}
        for k in range(3 * count)
    ]
    text = json.dumps({"images": images, "annotations": boxes})
    (tmp_path / "train.json").write_text(text)
    del images, boxes
    tracemalloc.start()
    data = CocoDigits(tmp_path / "train", tmp_path / "train.json")
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(data) == count
    assert kept / count < 200  # bytes; as dictionaries a photo and its boxes take 3,000
    assert (peak - len(text)) / count < 1100  # beside the file's bytes


def test_an_empty_test_folder_is_refused(coco_root: Path) -> None:
    for path in (coco_root / "test").iterdir():
        path.unlink()
    with pytest.raises(DigitsError, match="no photos; expected at least one"):
        open_split("test", str(coco_root))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("house.png", "expected an integer file stem.*photos=DIR"),
        (f"{2**64}.png", f"expected an integer file stem.*got '{2**64}'"),
        ("٣.png", "expected an integer file stem"),
        ("01.png", "1 occurs twice"),
    ],
)
def test_test_photos_must_be_named_by_unique_ids(coco_root: Path, name: str, says: str) -> None:
    Image.new("RGB", (4, 4)).save(coco_root / "test" / name)
    with pytest.raises(DigitsError, match=says):
        open_split("test", str(coco_root))
