from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from digits.data import coco, synthetic
from digits.data.mixed import Mixed, open_split
from digits.errors import DigitsError


class Named:
    """A source whose photos tell where they are from."""

    def __init__(self, mark: int, count: int) -> None:
        self.mark, self.count = mark, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return torch.full((3, 4, 5 + self.mark), index, dtype=torch.uint8), {"image_id": index}

    def size(self, index: int) -> tuple[int, int]:
        return 4, 5 + self.mark

    def file_name(self, index: int) -> str:
        return f"{self.mark}-{index}.png"


def marks(data: Mixed) -> Counter[int]:
    return Counter(data[i][0].shape[2] - 5 for i in range(len(data)))


def test_shares_decide_whatever_the_sizes() -> None:
    sources = {"a": Named(0, 3), "b": Named(1, 200), "c": Named(2, 50)}
    found = marks(Mixed(sources, {"a": 3, "b": 1}, 2000))
    assert set(found) == {0, 1}
    assert found[0] / 2000 == pytest.approx(0.75, abs=0.04)


def test_every_photo_of_a_source_is_drawn() -> None:
    data = Mixed({"a": Named(0, 20)}, {"a": 1}, 400)
    assert {int(data[i][0][0, 0, 0]) for i in range(400)} == set(range(20))


def test_a_draw_depends_on_seed_and_number_alone() -> None:
    sources = {"a": Named(0, 30), "b": Named(1, 30)}
    first, again, other = (Mixed(sources, {"a": 1, "b": 1}, 50, seed) for seed in (0, 0, 1))
    names = [[data.file_name(i) for i in range(50)] for data in (first, again, other)]
    assert names[0] == names[1] != names[2]
    assert all(first[i][0].shape[1:] == first.size(i) for i in range(50))


def sources(root: Path) -> dict[str, Any]:
    return {
        "real": partial(coco.open_split, root=str(root)),
        "synthetic": partial(synthetic.open_split, train_count=9, valid_count=9, test_count=9),
    }


def test_valid_and_test_are_those_of_one_source(coco_root: Path) -> None:
    shares = {"real": 0.5, "synthetic": 0.5}
    opened = {
        split: open_split(split, shares, "real", count=60, **sources(coco_root))
        for split in ("train", "valid", "test")
    }
    assert (len(opened["train"]), len(opened["valid"]), len(opened["test"])) == (60, 2, 3)
    sizes = {tuple(opened["train"][i][0].shape[1:]) for i in range(60)}
    assert (30, 40) in sizes and len(sizes) > 2  # photos of both


def test_a_missing_folder_is_asked_for_by_the_setting_that_a_mix_has() -> None:
    real = partial(coco.open_split, root=None)
    with pytest.raises(
        DigitsError, match=r"^data\.real\.root is not set: say data\.real\.root=DIR"
    ):
        open_split("valid", {"real": 1}, "real", real=real)
    with pytest.raises(
        DigitsError, match=r"^/nowhere/train: not there \(data\.real\.root=/nowhere"
    ):
        open_split("train", {"real": 1}, "real", real=partial(coco.open_split, root="/nowhere"))


def test_a_share_of_0_does_not_even_open_its_source(tmp_path: Path) -> None:
    train = open_split(
        "train", {"real": 0, "synthetic": 1}, "synthetic", **sources(tmp_path / "none")
    )
    assert len(train) == 1_000_000


@pytest.mark.parametrize(
    ("shares", "evaluate_on", "says"),
    [
        ({"rael": 1}, "real", "name rael: expected names of the sources, which are real"),
        ({"real": 1}, "valid", "name valid: expected"),
        ({"real": -1, "synthetic": 2}, "real", "expected no share below 0"),
        ({"real": 0}, "real", "at least one above"),
    ],
)
def test_shares_that_cannot_be_are_refused(
    tmp_path: Path, shares: dict[str, float], evaluate_on: str, says: str
) -> None:
    with pytest.raises(DigitsError, match=says):
        open_split("train", shares, evaluate_on, **sources(tmp_path))
