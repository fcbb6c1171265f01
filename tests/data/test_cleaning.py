"""Labels as other tools and people write them: understood, told about once, or refused."""

import json
import math
import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.data.categories import labels_by_category
from digits.data.coco import open_split
from digits.data.coco_json import read_coco
from digits.data.rotation import turned
from digits.data.warping import warp_boxes
from digits.errors import DigitsError
from digits.reading.labels import read_targets

Edit = Callable[..., Path]
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def labels_of(root: Path) -> list[list[int]]:
    data = open_split("train", str(root), verify=False)
    return [data.target(i)["labels"].tolist() for i in range(len(data))]


@pytest.mark.parametrize(
    "names",
    [
        list("0123456789"),  # ids of the course
        list("1234567890"),  # digit 0 last
        sorted(WORDS),
        [f"digit_{d}" for d in range(10)],
        [word.upper() for word in WORDS],
    ],
)
@pytest.mark.parametrize("first", [0, 1, 7])
def test_names_decide_whatever_the_ids_are(
    coco_root: Path, edit_json: Edit, names: list[str], first: int
) -> None:
    before = labels_of(coco_root)
    digits = [
        WORDS.index(name.lower()) if name.lower() in WORDS else int(name[-1]) for name in names
    ]
    ids = {digit: position + first for position, digit in enumerate(digits)}

    def rename(content: dict[str, Any]) -> None:
        content["categories"] = [
            {"id": 99, "name": "digits", "supercategory": "none"},
            *({"id": ids[d], "name": n} for d, n in zip(digits, names, strict=True)),
        ]
        for annotation in content["annotations"]:
            annotation["category_id"] = ids[annotation["category_id"] - 1]

    path = edit_json(rename)
    assert labels_of(coco_root) == before
    by_reading = read_targets(path)
    assert [by_reading[i]["labels"].tolist() for i in (1, 2, 10)] == before


@pytest.mark.parametrize("categories", [None, []])
def test_without_names_ids_are_the_courses(
    coco_root: Path, edit_json: Edit, categories: object
) -> None:
    before = labels_of(coco_root)
    edit_json(lambda c: c.update(categories=categories))
    assert labels_of(coco_root) == before
    edit_json(lambda c: c["annotations"][0].update(category_id=0))
    with pytest.raises(DigitsError, match="category_id 0: expected 1..10"):
        labels_of(coco_root)


@pytest.mark.parametrize("name", ["drei", "10", "digits", "²", "", "3 4", "-3", "٣"])
def test_a_used_category_that_is_no_digit_is_refused_by_its_name(name: str) -> None:
    assert labels_by_category({1: name, 2: "7"}, [2], "train.json") == {2: 8}
    with pytest.raises(DigitsError, match=r"train\.json: category 1 is named .*expected a digit"):
        labels_by_category({1: name}, [1], "train.json")


def test_ids_that_are_whole_floats_are_ids(coco_root: Path, edit_json: Edit) -> None:
    before = labels_of(coco_root)

    def as_floats(content: dict[str, Any]) -> None:
        for annotation in content["annotations"]:
            annotation.update(category_id=float(annotation["category_id"]))
        content["images"][0]["height"] = 30.0

    edit_json(as_floats)
    assert labels_of(coco_root) == before
    path = edit_json(lambda c: c["annotations"][3].update(category_id=1.7))
    with pytest.raises(DigitsError, match=r"annotations\[3\].category_id: expected a whole.*1\.7"):
        read_coco(path)


def warned(root: Path) -> str:
    with pytest.warns(UserWarning, match=r"train\.json: ") as caught:
        open_split("train", str(root), verify=False)
    assert len(caught) == 1
    return str(caught[0].message)


def test_one_warning_counts_what_was_done(coco_root: Path, edit_json: Edit) -> None:
    def spoil(content: dict[str, Any]) -> None:
        boxes = content["annotations"]
        boxes.append({**boxes[0], "id": 90})  # the same again
        boxes.append({**boxes[0], "id": 91, "bbox": [20.2, 4.1, 10, 20]})  # nearly
        boxes.append({**boxes[2], "category_id": 9})  # another digit
        boxes.append({**boxes[2], "bbox": [0, 0, 40, 30], "iscrowd": 1})
        boxes.append({**boxes[4], "bbox": [3, 3, 0.4, 0.6]})
        boxes.append({**boxes[4], "bbox": [1, 3, 10, 20], "attributes": {"rotation": 90.0}})

    edit_json(spoil)
    message = warned(coco_root)
    for part in (
        "left out 1 boxes of groups (iscrowd)",
        "turned 1 boxes by their rotation",
        "skipped 1 boxes of no size, under a pixel",
        "left out 2 boxes that are there twice (the first in 1.png)",
        "kept 1 boxes that lie on one of another digit (the first in 2.png)",
    ):
        assert part in message, message
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = open_split("train", str(coco_root), verify=False)
    assert data.box_count == 6 + 1 + 1
    turned_box = data.target(2)["boxes"][-1].tolist()
    assert turned_box == pytest.approx([0, 8, 16, 18])  # 10 x 20 lying: 20 x 10, clipped


@given(angle=st.floats(-200, 200), box=st.tuples(*[st.floats(0, 100)] * 2, *[st.floats(1, 80)] * 2))
def test_a_turned_box_is_that_of_a_warp(angle: float, box: tuple[float, ...]) -> None:
    x, y, width, height = box
    a, centre = math.radians(angle), np.array([x + width / 2, y + height / 2])
    turn = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = turn, centre - turn @ centre
    corners = np.array([[x, y, x + width, y + height]])
    upright = turned(np.array([box]), np.array([angle]))[0]
    expected = warp_boxes(corners, matrix)[0]
    assert [*upright[:2], *(upright[:2] + upright[2:])] == pytest.approx(expected, abs=1e-6)


def test_boxes_as_shares_are_refused(coco_root: Path, edit_json: Edit) -> None:
    def shares(content: dict[str, Any]) -> None:
        for annotation in content["annotations"]:
            x, y, w, h = annotation["bbox"]
            annotation["bbox"] = [x / 40, y / 30, w / 40, h / 30]

    path = edit_json(shares)
    with pytest.raises(DigitsError, match="look like shares of the photo"):
        open_split("train", str(coco_root))
    with pytest.raises(DigitsError, match="look like shares of the photo"):
        read_targets(path)


def test_corners_in_place_of_sizes_are_told(coco_root: Path, edit_json: Edit) -> None:
    def corners(content: dict[str, Any]) -> None:
        one = content["annotations"][0]
        for n in range(20):
            box = [25 + n / 2, 4 + n / 3, 34 + n / 2, 24 + n / 3]
            content["annotations"].append({**one, "bbox": box, "category_id": n % 10 + 1})

    edit_json(corners)
    assert "are they x_min, y_min, width, height?" in warned(coco_root)


@pytest.mark.parametrize("split", ["train", "valid", "test"])
@pytest.mark.parametrize("lacking", ["no annotations", "an empty list"])
def test_no_boxes_are_refused_but_in_test(coco_root: Path, split: str, lacking: str) -> None:
    content = json.loads((coco_root / "train.json").read_text())
    content["annotations"] = []
    if lacking == "no annotations":
        content.pop("annotations")
    if split == "test":
        content["images"] = [image | {"id": image["id"] + 500} for image in content["images"]]
    (coco_root / f"{split}.json").write_text(json.dumps(content))
    (coco_root / "valid").rename(coco_root / "was valid")
    (coco_root / "valid").symlink_to(coco_root / "train")
    if split == "test":
        data = open_split(split, str(coco_root))
        assert not data.labelled and data.image_ids.tolist() == [501, 502, 510]
        assert data[0][0].shape == (3, 30, 40)
    else:
        with pytest.raises(DigitsError, match="no boxes; expected digits"):
            open_split(split, str(coco_root))


@pytest.mark.parametrize("form", ["NFD", "backslash", "folder", "./"])
def test_names_that_are_written_otherwise_are_found(
    coco_root: Path, edit_json: Edit, form: str
) -> None:
    name = "Tür 3.png"
    (coco_root / "train" / "sub").mkdir()
    (coco_root / "train" / "2.png").rename(coco_root / "train" / "sub" / name)
    told = {
        "NFD": unicodedata.normalize("NFD", f"sub/{name}"),
        "backslash": f"sub\\{name}",
        "folder": f"C:\\data\\train\\sub\\{name}",
        "./": f"./sub/{name}",
    }[form]
    edit_json(lambda c: c["images"][1].update(file_name=told))
    data = open_split("train", str(coco_root))
    assert data[1][0].shape == (3, 30, 40)


@pytest.mark.parametrize("name", ["../valid/3.png", "/etc/hostname", "a/../../b.png", "a\0.png"])
def test_names_that_lead_elsewhere_are_refused(coco_root: Path, edit_json: Edit, name: str) -> None:
    path = edit_json(lambda c: c["images"][0].update(file_name=name))
    with pytest.raises(DigitsError, match=r"images\[0\].file_name .*inside the folder") as caught:
        open_split("train", str(coco_root))
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_any_unicode_encoding_is_read(coco_root: Path, encoding: str) -> None:
    before = labels_of(coco_root)
    path = coco_root / "train.json"
    path.write_bytes(path.read_text().encode(encoding))
    assert labels_of(coco_root) == before


FIELDS = (
    "id", "file_name", "height", "width", "image_id", "category_id", "bbox", "iscrowd", "name",
    "attributes", None,
)  # fmt: skip
KEYS = st.sampled_from(["rotation", "id", "a"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(
    part=st.sampled_from(["images", "annotations", "categories"]),
    field=st.sampled_from(FIELDS),
    value=JSON,
)
def test_any_value_anywhere_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, part: str, field: str | None, value: object
) -> None:
    content: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "1.png", "height": 30, "width": 40}],
        "annotations": [{"image_id": 1, "category_id": 3, "bbox": [5.0, 4.0, 10.0, 20.0]}],
        "categories": [{"id": 3, "name": "2"}],
    }
    if field is None:
        content[part] = value
    else:
        content[part][0][field] = value
    path = tmp_path_factory.mktemp("fuzz") / "train.json"
    path.write_text(json.dumps(content))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            targets = read_targets(path)
        except DigitsError as error:
            said = str(error)
        else:
            boxes = np.concatenate([t["boxes"].numpy() for t in targets.values()])
            assert np.isfinite(boxes).all() and (boxes >= 0).all()
            assert all(1 <= v <= 10 for t in targets.values() for v in t["labels"].tolist())
            return
    assert said.startswith(f"{path}: ") and "\n" not in said
