from pathlib import Path

import pytest
import torch

from digits.data.coco import open_split
from digits.data.reframed import UPRIGHT, Reframed, main
from digits.data.synthetic import SyntheticDigits
from digits.data.transforms import identity
from digits.data.writing import write_splits
from digits.errors import DigitsError


def test_copies_of_a_photo_differ_and_depend_on_the_seed_alone() -> None:
    photos = SyntheticDigits(3)
    once, again = (Reframed(photos, UPRIGHT, copies=3, seed=1) for _ in range(2))
    other = Reframed(photos, UPRIGHT, copies=3, seed=2)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    boxes = [once[index][1]["boxes"] for index in range(9)]
    assert torch.equal(torch.rand(1), expected), "draws of others are not disturbed"
    assert len({tuple(box.flatten().tolist()) for box in boxes}) == 9
    assert torch.equal(again[4][0], once[4][0])
    assert not torch.equal(other[4][1]["boxes"], boxes[4])
    assert len(set(once.image_ids)) == 9
    assert [once[i][1]["image_id"] for i in range(9)] == once.image_ids


def test_digits_stay() -> None:
    photos = SyntheticDigits(6)
    reframed = Reframed(photos, UPRIGHT, copies=2, seed=0)
    for index in range(len(reframed)):
        assert torch.equal(reframed[index][1]["labels"], photos[index // 2][1]["labels"])


def test_without_an_augmentation_photos_are_repeated() -> None:
    photos = SyntheticDigits(2)
    repeated = Reframed(photos, identity, copies=2, seed=0)
    assert len(repeated) == 4
    assert torch.equal(repeated[3][0], photos[1][0])
    assert repeated.file_name(3) == photos.file_name(1)


def test_the_command_writes_a_split_that_can_be_read(tmp_path: Path) -> None:
    write_splits(tmp_path / "here", {"valid": SyntheticDigits(2)})
    main([str(tmp_path / "here"), str(tmp_path / "there"), "--copies", "2", "--tilted"])
    assert len(open_split("valid", str(tmp_path / "there"))) == 4


@pytest.mark.parametrize(("copies", "seed"), [(0, 0), (10**9, 0), (1, -1)])
def test_wrong_counts_are_refused(copies: int, seed: int) -> None:
    with pytest.raises(DigitsError, match="expected 1 to 1000 copies and seed >= 0"):
        Reframed(SyntheticDigits(1), UPRIGHT, copies, seed)
