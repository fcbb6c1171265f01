import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from digits.data.coco import open_split
from digits.data.datamodule import DigitsDataModule
from digits.data.loading import loader
from digits.data.order import EpochBatches, EpochSampler, SeededIndex, random_stream
from digits.data.synthetic import SyntheticDigits


def darken(photo: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
    return torch.zeros_like(photo), target


def module(coco_root: Path, **kwargs: Any) -> DigitsDataModule:
    data = DigitsDataModule(lambda split: open_split(split, str(coco_root)), **kwargs)
    data.setup("fit")
    return data


@pytest.mark.parametrize("workers", [0, 1])
def test_valid_is_served_whole_in_order_and_unchanged(coco_root: Path, workers: int) -> None:
    data = module(coco_root, augmentation=darken, batch_size=16, num_workers=workers)
    ((photos, targets),) = list(data.val_dataloader())
    assert [t["image_id"] for t in targets] == [3, 4]
    assert [p.shape for p in photos] == [(3, 30, 40)] * 2
    assert all(p.float().mean() > 100 for p in photos)


def test_train_is_augmented_and_shuffled(coco_root: Path) -> None:
    orders = set()
    for seed in range(20):
        data = module(coco_root, augmentation=darken, batch_size=1, num_workers=0, seed=seed)
        batches = list(data.train_dataloader())
        assert all(photos[0].sum() == 0 for photos, _ in batches)
        orders.add(tuple(targets[0]["image_id"] for _, targets in batches))
    assert len(orders) > 1 and {tuple(sorted(o)) for o in orders} == {(1, 2, 10)}


@pytest.mark.parametrize(("batch_size", "sizes"), [(1, [1, 1, 1]), (2, [2]), (3, [3]), (16, [3])])
def test_a_short_last_batch_is_dropped_unless_it_is_all_there_is(
    coco_root: Path, batch_size: int, sizes: list[int]
) -> None:
    data = module(coco_root, batch_size=batch_size, num_workers=0)
    assert [len(photos) for photos, _ in data.train_dataloader()] == sizes


def test_photos_that_are_in_train_and_valid_are_told_of(coco_root: Path) -> None:
    data = DigitsDataModule(lambda _: open_split("train", str(coco_root)))
    with pytest.warns(UserWarning, match=r"3 of the 3 photos of valid are photos of train as well"):
        data.setup("fit")


def test_no_more_processes_load_than_there_are_batches(coco_root: Path) -> None:
    data = module(coco_root, batch_size=2, num_workers=256)
    assert data.train_dataloader().num_workers == data.val_dataloader().num_workers == 1
    assert module(coco_root, batch_size=2, num_workers=0).val_dataloader().num_workers == 0


def test_splits_are_opened_once() -> None:
    opened = []

    def opener(split: str) -> SyntheticDigits:
        opened.append(split)
        return SyntheticDigits(2)

    data = DigitsDataModule(opener)
    data.setup("fit")
    data.setup("validate")
    assert opened == ["train", "valid"]


@pytest.mark.parametrize(("drop_last", "count"), [(True, 96), (False, 99)])
def test_batches_hold_similar_shapes_and_every_photo_once(drop_last: bool, count: int) -> None:
    widths = torch.randint(20, 400, (99,)).tolist()

    def take(epoch: int) -> list[list[int]]:
        batches.sampler.set_epoch(epoch)
        return [[item.position for item in batch] for batch in batches]

    def padding(batches: list[list[int]]) -> float:
        return sum(max(widths[i] for i in b) * len(b) for b in batches) / sum(widths)

    batches = EpochBatches(EpochSampler(widths), 8, drop_last, lambda i: (40, widths[i]), pool=6)
    first, second = take(0), take(1)
    assert len(first) == len(batches) and first != second
    assert sorted(len(b) for b in first)[-12:] == [8] * 12
    assert len({i for batch in first for i in batch}) == sum(map(len, first)) == count
    plain = torch.randperm(99)[:96].reshape(-1, 8).tolist()
    assert padding(first) < 1.3 < padding(plain)
    narrowest = [min(widths[i] for i in b) for b in first]
    assert narrowest != sorted(narrowest)  # not from narrow to wide: that would bias the weights


def drawn(data: Any, epoch: int = 0, skip: int = 0) -> list[list[SeededIndex]]:
    return list(EpochBatches(EpochSampler(data, 3), 4, True, seed=3, epoch=epoch, skip=skip))


def test_an_epochs_order_and_draws_follow_from_its_number() -> None:
    data = range(20)
    assert drawn(data, epoch=2) == drawn(data, epoch=2) != drawn(data, epoch=1)
    assert drawn(data, epoch=2, skip=3) == drawn(data, epoch=2)[3:]
    batches = EpochBatches(EpochSampler(data, 3), 4, True, seed=3, epoch=1, skip=2)
    assert len(list(batches)) == 3
    batches.sampler.set_epoch(2)
    assert list(batches) == drawn(data, epoch=2)  # what was skipped is of the first epoch alone


def noisy(photo: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
    """Draws from all streams that augmentations use."""
    noise = torch.randint(0, 256, photo.shape, dtype=torch.uint8)
    noise[0] += random.randrange(256)
    noise[1] += np.random.randint(256)  # noqa: NPY002
    return noise, target


def test_augmentation_does_not_depend_on_who_loads(coco_root: Path) -> None:
    def photos(workers: int, seed: int = 5) -> list[Tensor]:
        data = module(coco_root, augmentation=noisy, batch_size=1, num_workers=workers, seed=seed)
        for seeded in (torch.manual_seed, random.seed, np.random.seed):
            seeded(workers)
        return [photo for photos, _ in data.train_dataloader() for photo in photos]

    alone = photos(0)
    for workers in (1, 2):
        assert all(map(torch.equal, alone, photos(workers)))
    assert not any(map(torch.equal, alone, photos(0, seed=6)))


def test_random_states_return_where_an_item_fails() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    with pytest.raises(IndexError), random_stream(7):
        torch.zeros(0)[int(torch.randint(5, ()))]
    assert torch.equal(torch.rand(1), expected)


def test_draws_of_a_photo_leave_other_draws_alone() -> None:
    def draws() -> list[float]:
        return [float(torch.rand(())), random.random(), float(np.random.rand())]  # noqa: NPY002

    for seeded in (torch.manual_seed, random.seed, np.random.seed):
        seeded(1)
    expected = draws() + draws()
    for seeded in (torch.manual_seed, random.seed, np.random.seed):
        seeded(1)
    before = draws()
    with random_stream(7):
        inside = draws()
    with random_stream(7):
        assert draws() == inside
    assert before + draws() == expected


def test_batches_are_lists_of_tensors_whoever_loads_them() -> None:
    data = SyntheticDigits(5)
    for workers in (0, 1):
        (photos, targets), last = loader(data, workers, batch_size=4)
        assert (len(photos), len(last[0])) == (4, 1)
        for index, (photo, target) in enumerate(zip(photos, targets, strict=True)):
            expected, truth = data[index]
            assert torch.equal(photo, expected) and photo.dtype == torch.uint8
            assert torch.equal(target["boxes"], truth["boxes"])
            assert torch.equal(target["labels"], truth["labels"])
            assert target["image_id"] == truth["image_id"]
