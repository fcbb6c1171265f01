"""Data sets of other tools: every layout gives the same targets, and so does what is converted."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from digits.data import convert
from digits.data.annotated import AnnotatedPhotos
from digits.data.coco import open_split
from digits.errors import DigitsError

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
Photo = tuple[int, int, list[tuple[int, int, int, int, int]]]
"""Width, height, and the digits: which one, x_min, y_min, width, height."""
Splits = dict[str, list[Photo]]


@st.composite
def photos(draw: st.DrawFn) -> Photo:
    width, height = draw(st.integers(60, 90)), draw(st.integers(20, 50))
    boxes = []
    for place in range(draw(st.integers(1, 4))):  # side by side: none is another one again
        wide, high = draw(st.integers(2, 12)), draw(st.integers(2, 18))
        left = 14 * place + draw(st.integers(0, 2))
        boxes.append((draw(st.integers(0, 9)), left, draw(st.integers(0, 2)), wide, high))
    return width, height, boxes


SPLITS = st.fixed_dictionaries(
    {split: st.lists(photos(), min_size=1, max_size=3) for split in ("train", "valid", "test")}
)


def save_photos(folder: Path, split: list[Photo]) -> None:
    folder.mkdir(parents=True)
    for number, (width, height, _) in enumerate(split, 1):
        Image.new("RGB", (width, height), (number, 0, 0)).save(folder / f"{number}.png")


def write_coco(path: Path, split: list[Photo], ids: list[int], names: list[Any]) -> None:
    """A JSON whose category `ids[digit]` is called `names[digit]`, below a super-category."""
    boxes = [(n, *box) for n, (_, _, boxes) in enumerate(split, 1) for box in boxes]
    images = [
        {"id": n, "file_name": f"{n}.png", "height": height, "width": width}
        for n, (width, height, _) in enumerate(split, 1)
    ]
    categories = [{"id": 77, "name": "digits", "supercategory": "none"}] + [
        {"id": i, "name": name, "supercategory": "digits"}
        for i, name in sorted(zip(ids, names, strict=True))
    ]
    annotations = [
        {"id": k, "image_id": n, "category_id": ids[digit], "bbox": box, "segmentation": []}
        for k, (n, digit, *box) in enumerate(boxes)
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content))


def course(root: Path, splits: Splits) -> None:
    for split, content in splits.items():
        save_photos(root / split, content)
        write_coco(root / f"{split}.json", content, list(range(1, 11)), list("0123456789"))


def roboflow(root: Path, splits: Splits) -> None:
    alphabetic = [sorted(WORDS).index(word) + 1 for word in WORDS]
    for split, content in splits.items():
        save_photos(root / split, content)
        write_coco(root / split / "_annotations.coco.json", content, alphabetic, list(WORDS))


def yolo(folder: str, form: str) -> Callable[[Path, Splits], None]:
    def write(root: Path, splits: Splits) -> None:
        root.mkdir()
        order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
        lines = ["names: [" + ", ".join(f"'{digit}'" for digit in order) + "]", "nc: 10"]
        for split, content in splits.items():
            name = {"valid": "val"}.get(split, split)
            images = folder.format(name)
            lines.append(f"{name}: {'../' if form == 'polygons' else ''}{images}")
            save_photos(root / images, content)
            labels = root / images.replace("images", "labels")
            labels.mkdir(parents=True, exist_ok=True)
            for number, (width, height, boxes) in enumerate(content, 1):
                rows = []
                for digit, x, y, w, h in boxes:
                    left, top, right, bottom = (
                        x / width,
                        y / height,
                        (x + w) / width,
                        (y + h) / height,
                    )
                    values = [(left + right) / 2, (top + bottom) / 2, w / width, h / height]
                    if form == "polygons":
                        values = [left, top, right, top, right, bottom, left, bottom]
                    rows.append(" ".join(map(str, [order.index(digit), *values])))
                (labels / f"{number}.txt").write_text("\n".join(rows) + "\n")
        (root / "data.yaml").write_text("\n".join(lines))

    return write


LAYOUTS = {
    "course": course,
    "roboflow": roboflow,
    "yolo images/train": yolo("images/{}", "boxes"),
    "yolo train/images": yolo("{}/images", "polygons"),
    "yolo beside": yolo("{}", "boxes"),
}


def agrees(data: AnnotatedPhotos, content: list[Photo]) -> None:
    assert data.labelled and len(data) == len(content)
    for index, (width, height, boxes) in enumerate(content):
        photo, target = data[index]
        assert photo.shape == (3, height, width) and int(photo[0, 0, 0]) == index + 1
        assert data.size(index) == (height, width) and target["image_id"] == index + 1
        assert [label - 1 for label in target["labels"].tolist()] == [box[0] for box in boxes]
        expected = np.array([[x, y, x + w, y + h] for _, x, y, w, h in boxes])
        expected = expected.clip(0, [width, height, width, height])
        assert np.allclose(target["boxes"].numpy(), expected, atol=0.01)


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=10, deadline=None)
@given(splits=SPLITS)
def test_every_layout_gives_the_same_targets(
    tmp_path_factory: pytest.TempPathFactory, layout: str, splits: Splits
) -> None:
    root = tmp_path_factory.mktemp("layout") / "in"
    LAYOUTS[layout](root, splits)
    out = root.with_name("out")
    convert.convert(str(root), out)
    for split, content in splits.items():
        agrees(open_split(split, str(root)), content)
        agrees(open_split(split, str(out)), content)


FEW: Splits = {"train": [(60, 30, [(7, 3, 4, 10, 20)])], "valid": [(60, 30, [(0, 3, 4, 10, 20)])]}


def test_convert_says_what_it_wrote_and_never_overwrites(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roboflow(tmp_path / "in", FEW)
    command = [str(tmp_path / "in"), str(tmp_path / "out")]
    convert.main(command)
    out = capsys.readouterr().out
    assert "train  1 photos, 1 digits" in out and "test  " not in out
    assert f"python train.py data=coco data.root={tmp_path}/out" in out
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "train", "train.json", "valid", "valid.json",
    }  # fmt: skip
    content = json.loads((tmp_path / "out/train.json").read_text())
    assert content["annotations"][0]["category_id"] == 8 and len(content["categories"]) == 10
    assert os.path.samefile(tmp_path / "in/train/1.png", tmp_path / "out/train/1.png")
    with pytest.raises(SystemExit):
        convert.main(command)
    assert "exists already" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        convert.main([str(tmp_path / "nowhere"), str(tmp_path / "more")])
    assert "expected" in capsys.readouterr().err and not (tmp_path / "more").exists()


def test_photos_of_any_names_are_numbered(tmp_path: Path) -> None:
    yolo("images/{}", "boxes")(tmp_path / "in", FEW)
    for part in ("images/train/1.png", "labels/train/1.txt"):
        path = tmp_path / "in" / part
        path.rename(path.with_stem("Tür no. 7.rf.3a"))
    convert.convert(str(tmp_path / "in"), tmp_path / "out")
    assert [p.name for p in (tmp_path / "out/train").iterdir()] == ["1.png"]
    assert open_split("train", str(tmp_path / "out"))[0][1]["labels"].tolist() == [8]


def test_an_unlabelled_test_split_stays_so(tmp_path: Path) -> None:
    write = yolo("images/{}", "boxes")
    write(tmp_path / "in", FEW | {"test": [(60, 30, [(1, 1, 1, 5, 9)])]})
    (tmp_path / "in/labels/test/1.txt").unlink()
    assert not open_split("test", str(tmp_path / "in")).labelled
    convert.convert(str(tmp_path / "in"), tmp_path / "out")
    assert not (tmp_path / "out/test.json").exists()
    assert not open_split("test", str(tmp_path / "out")).labelled


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0 0.5 0.5 0.2", r"1\.txt, line 2: .*expected a class and four shares"),
        ("0 0.5 0.5 0.2 0.4 0.9", "expected a class and four shares"),
        ("0.5 0.5 0.5 0.2 0.4", "expected a class and four shares"),
        ("-1 0.5 0.5 0.2 0.4", "expected a class and four shares"),
        ("0 a 0.5 0.2 0.4", "expected a class and four shares"),
        ("0 30 15 10 20", r"expected shares of the photo \(0..1\)"),
        ("0 nan 0.5 0.2 0.4", r"expected shares of the photo \(0..1\)"),
        (
            "12 0.5 0.5 0.2 0.4",
            r"labels/train/1\.txt: class 12 is not among the names of .*data\.yaml \(0, 1, ",
        ),
    ],
)
def test_a_line_that_is_no_box_is_named(tmp_path: Path, line: str, says: str) -> None:
    yolo("images/{}", "boxes")(tmp_path / "in", FEW)
    with (tmp_path / "in/labels/train/1.txt").open("a") as file:
        file.write(line)
    with pytest.raises(DigitsError, match=says) as caught:
        open_split("train", str(tmp_path / "in"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected named values"),
        ("train: images/train", "lacks 'names'"),
        ("names: [a: b", "not YAML"),
        ("names: 10\ntrain: images/train", "names: expected"),
        ("names: ['0']\ntrain: [a, b]", "train: expected text"),
        ("names: ['0']\nval: images/val", "has no 'train'"),
        ("names: ['0']\ntrain: nowhere", "'nowhere': no folder"),
        ("names: ['0']\ntrain: labels", "no photos in .*labels, its folder of split train"),
        ("names: [house]\ntrain: images/train", "category 0 is named 'house'"),
        ("names: !!python/object/apply:os.system [ls]", "not YAML"),
    ],
)
def test_a_data_yaml_that_says_something_else_is_refused(
    tmp_path: Path, text: str, says: str
) -> None:
    yolo("images/{}", "boxes")(tmp_path / "in", FEW)
    (tmp_path / "in/labels/train/1.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    (tmp_path / "in/data.yaml").write_text(text)
    with pytest.raises(DigitsError, match=says) as caught:
        open_split("train", str(tmp_path / "in"))
    assert "\n" not in str(caught.value)


def test_photos_without_a_label_file_are_counted(tmp_path: Path) -> None:
    yolo("{}/images", "boxes")(tmp_path / "in", FEW | {"train": FEW["train"] * 3})
    (tmp_path / "in/train/labels/2.txt").unlink()
    with pytest.warns(UserWarning, match="1 of 3 photos of train have no file in"):
        data = open_split("train", str(tmp_path / "in"))
    assert [len(data[i][1]["boxes"]) for i in range(3)] == [1, 0, 1]
