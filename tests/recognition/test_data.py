import numpy as np
import pytest
import torch

from digits.data.synthetic import SyntheticDigits
from digits.recognition.crops import row_of
from digits.recognition.ctc import best_texts
from digits.recognition.data import RowCrops, RowJitter, collate
from digits.recognition.network import SmallRecognizer
from digits.training.recognizer import text_loss
from digits.types import target_number

EXACT = RowJitter(ends=0, sides=0, angle=0, part_p=0, beyond_p=0, nothing_p=0)


def test_exact_crops_show_the_whole_number() -> None:
    photos = SyntheticDigits(8, seed=1)
    crops = RowCrops(photos)
    for index in range(len(crops)):
        crop, text = crops[index]
        assert text == target_number(photos[index][1])
        assert crop.shape[0] == 48 and crop.dtype == np.uint8


def test_a_part_of_a_number_is_labelled_as_that_part() -> None:
    torch.manual_seed(0)
    data = RowCrops(SyntheticDigits(30, seed=1), jitter=RowJitter(part_p=1, nothing_p=0))
    for index in range(30):
        whole, (crop, text) = target_number(data.photos[index][1]), data[index]
        assert text in whole and (len(text) < len(whole) or len(whole) == 1)
        assert crop.shape[0] == 48


def test_beside_a_number_nothing_is_read() -> None:
    torch.manual_seed(0)
    data = RowCrops(SyntheticDigits(10, seed=1), jitter=RowJitter(nothing_p=1))
    assert {data[index][1] for index in range(10)} == {""}


def test_jitter_moves_extents_by_about_what_it_says() -> None:
    rng, row = np.random.default_rng(0), row_of(np.array([[10.0, 10, 30, 50], [30, 10, 50, 50]]))
    same = EXACT.move(row, rng, (True, True))
    assert (same.x, same.y, same.length, same.height) == pytest.approx((30, 30, 40, 40))
    moved = [RowJitter(beyond_p=0).move(row, rng, (True, True)) for _ in range(400)]
    spread = np.std([one.x - one.length / 2 for one in moved])
    assert spread == pytest.approx(0.08 * 40, rel=0.2)
    more = [RowJitter(beyond_p=1, ends=0).move(row, rng, (True, False)) for _ in range(50)]
    assert min(one.length for one in more) >= 40  # and only to the left, where the number begins
    assert np.mean([one.x + one.length / 2 for one in more]) == pytest.approx(50, abs=0.5)


def test_the_same_seed_makes_the_same_crop() -> None:
    data = RowCrops(SyntheticDigits(3, seed=1), jitter=RowJitter())
    torch.manual_seed(5)
    first = data[1]
    torch.manual_seed(5)
    second = data[1]
    assert first[1] == second[1] and (first[0] == second[0]).all()


def test_the_small_network_soon_tells_digits_apart() -> None:
    torch.manual_seed(0)
    network, data = SmallRecognizer((16, 32, 48, 64), dropout=0), RowCrops(SyntheticDigits(8, 2))
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3)
    groups = collate([data[index] for index in range(8)])
    assert sum(len(texts) for _, texts in groups) == 8
    for _ in range(25):  # normalised by groups of channels, it knows none of them by then
        logits = [network(crops) for crops, _ in groups]
        optimizer.zero_grad()
        losses = [text_loss(one, texts) for one, (_, texts) in zip(logits, groups, strict=True)]
        torch.stack(losses).sum().backward()
        optimizer.step()
    for one, (_, texts) in zip(logits, groups, strict=True):
        frames = one.detach().log_softmax(-1).numpy()
        assert [best_texts(crop, count=1)[0][0] for crop in frames] == texts


def test_a_text_that_does_not_fit_counts_nothing() -> None:
    assert float(text_loss(torch.zeros(1, 2, 11), ["12345"])) == 0
