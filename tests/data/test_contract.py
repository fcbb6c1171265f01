"""Every source keeps the contract of `digits.types.PhotoDataset`."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from digits.data.coco import CocoDigits, open_split
from digits.data.contract import checked
from digits.data.distant import Distant
from digits.data.folder import PhotoFolder
from digits.data.mixed import Mixed
from digits.data.photos import LONGEST
from digits.data.reframed import UPRIGHT, Reframed
from digits.data.synthetic import SyntheticDigits
from digits.errors import DigitsError
from digits.types import PhotoDataset

Source = Callable[[Path], PhotoDataset]


def folder(root: Path) -> PhotoFolder:
    """Photos of any name, one on its side and one that is reduced."""
    photos = root / "photos"
    shutil.copytree(root / "train", photos)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise
    for suffix in ("jpg", "tif"):
        Image.new("RGB", (50, 20)).save(photos / f"turned.{suffix}", exif=exif)
    Image.new("RGB", (LONGEST + 100, 60)).save(photos / "large.jpg")
    return PhotoFolder(str(photos))


def mixed(root: Path) -> Mixed:
    sources: dict[str, PhotoDataset] = {
        "real": open_split("train", str(root)),
        "synthetic": SyntheticDigits(9),
    }
    return Mixed(sources, {"real": 1, "synthetic": 1}, 12)


SOURCES: dict[str, tuple[Source, bool]] = {  # and whether it is labelled
    "coco": (lambda root: open_split("train", str(root)), True),
    "coco without labels": (lambda root: open_split("test", str(root)), False),
    "folder": (folder, False),
    "mixed": (mixed, True),
    "synthetic": (lambda _: SyntheticDigits(6), True),
    "reframed": (lambda root: Reframed(open_split("train", str(root)), UPRIGHT, 2, 0), True),
    "distant": (lambda root: Distant(open_split("train", str(root))), True),
    "distant without labels": (lambda root: Distant(folder(root)), False),
    "distant and synthetic": (lambda _: Distant(SyntheticDigits(6)), True),
}


@pytest.mark.parametrize("name", SOURCES)
def test_contract(coco_root: Path, name: str) -> None:
    opener, labelled = SOURCES[name]
    data = opener(coco_root)
    count = len(data)
    assert count > 2 and data.labelled is labelled
    assert len(data.image_ids) == count == len({int(i) for i in data.image_ids})
    assert len(data.paths) in (0, count) and all(os.path.isfile(path) for path in data.paths)
    for index in range(count):
        photo, target = data[index]
        assert photo.dtype == torch.uint8 and photo.ndim == 3 and photo.shape[0] == 3
        assert photo.is_contiguous()
        size = data.size(index)
        assert size == target.get("size", tuple(photo.shape[1:]))
        assert [type(side) for side in size] == [int, int]
        assert isinstance(data.file_name(index), str) and data.file_name(index)
        assert target.keys() - {"size"} == {"boxes", "labels", "image_id"}
        assert type(target["image_id"]) is int and target["image_id"] == data.image_ids[index]
        boxes, labels = target["boxes"], target["labels"]
        assert boxes.dtype == torch.float32 and boxes.shape == (len(labels), 4)
        assert labels.dtype == torch.int64 and labels.ndim == 1
        assert bool(len(labels)) is labelled  # each labelled photo here has digits
        assert all(1 <= label <= 10 for label in labels.tolist())
        assert (boxes >= 0).all() and (boxes <= torch.tensor([*size[::-1]] * 2)).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()


@pytest.mark.parametrize("name", SOURCES)
def test_indices_are_those_of_a_list(coco_root: Path, name: str) -> None:
    data = SOURCES[name][0](coco_root)
    (photo, target), (last, true) = data[-1], data[len(data) - 1]
    assert torch.equal(photo, last) and torch.equal(target["boxes"], true["boxes"])
    assert target["image_id"] == true["image_id"] == data.image_ids[-1]
    assert data.file_name(-1) == data.file_name(len(data) - 1)
    assert data.size(-1) == data.size(len(data) - 1)
    for index in (len(data), -len(data) - 1):
        with pytest.raises(IndexError):
            data[index]


def test_the_size_of_a_reduced_photo_is_that_of_its_file(coco_root: Path) -> None:
    data = folder(coco_root)
    names = [data.file_name(i) for i in range(len(data))]
    large = names.index("large.jpg")
    assert data.size(large) == (60, LONGEST + 100) != data[large][0].shape[1:]
    assert {data.size(names.index(f"turned.{suffix}")) for suffix in ("jpg", "tif")} == {(50, 20)}


def test_a_mix_with_photos_without_labels_is_not_labelled(coco_root: Path) -> None:
    parts: dict[str, PhotoDataset] = {
        "labelled": SyntheticDigits(3),
        "not": open_split("test", str(coco_root)),
    }
    assert Mixed(parts, {"labelled": 1}, 4).labelled
    assert not Mixed(parts, {"labelled": 1, "not": 1}, 4).labelled


def test_ids_are_kept_without_labels_too(coco_root: Path) -> None:
    data = CocoDigits(coco_root / "test", keep_ids=np.array([2, 10]))
    assert data.image_ids.tolist() == [2, 10] and data[1][1]["image_id"] == 10


class Own(SyntheticDigits):
    """A data set of somebody's own, with ids of their choice."""

    def __init__(self, image_ids: list[Any], told: list[int] | None = None) -> None:
        super().__init__(3)
        self.image_ids, self.told = np.array(image_ids), told or image_ids

    def __getitem__(self, index: int) -> Any:
        photo, target = SyntheticDigits(3)[index]
        return photo, target | {"image_id": self.told[index]}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (Own([7, 7, 7]), "Own.image_ids: expected an id for each of 3 photos.*1 are different"),
        (Own(["a", "b", "c"]), "Own.image_ids: expected whole numbers"),
        (Own([7, 8, 9], [7, 0, 9]), r"photo 1: its target has image_id 0, but image_ids\[1\] is 8"),
    ],
)
def test_photos_that_share_an_id_would_be_scored_as_one(data: Own, says: str) -> None:
    with pytest.raises(DigitsError, match=says):
        checked(data)
    assert len(checked(Own([7, 8, 9]))) == 3
