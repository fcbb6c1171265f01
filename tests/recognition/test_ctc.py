import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from digits.recognition.ctc import best_texts, log_probabilities, to_labels


def frames_of(count: int, seed: int = 0, classes: int = 11) -> Tensor:
    torch.manual_seed(seed)
    return (2 * torch.randn(count, classes, dtype=torch.float64)).log_softmax(-1)


def collapsed(path: tuple[int, ...]) -> str:
    kept = [label for label, _ in itertools.groupby(path)]
    return "".join(str(label - 1) for label in kept if label)


def by_hand(frames: Tensor) -> dict[str, float]:
    """Every string's probability, summed over all alignments."""
    table, found = frames.exp().tolist(), {}
    for path in itertools.product(range(len(table[0])), repeat=len(table)):
        text = collapsed(path)
        chance = math.prod(row[label] for row, label in zip(table, path, strict=True))
        found[text] = found.get(text, 0.0) + chance
    return found


def test_strings_are_as_probable_as_all_their_alignments() -> None:
    frames = frames_of(5, classes=4)
    found = by_hand(frames)
    assert sum(found.values()) == pytest.approx(1)
    got = np.exp(log_probabilities(frames.numpy(), list(found))).tolist()
    assert got == pytest.approx(list(found.values()), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000), count=st.integers(1, 40),
    texts=st.lists(st.text("0123456789", max_size=10), min_size=1, max_size=6),
)  # fmt: skip
def test_the_forward_pass_is_torchs(seed: int, count: int, texts: list[str]) -> None:
    frames = (3 * frames_of(count, seed)).log_softmax(-1)  # sure ones
    labels = [label for text in texts for label in to_labels(text)]
    expected = -torch.nn.functional.ctc_loss(
        frames[:, None].expand(-1, len(texts), -1), torch.tensor(labels, dtype=torch.long),
        torch.full((len(texts),), count), torch.tensor([len(text) for text in texts]),
        reduction="none",
    )  # fmt: skip
    got = log_probabilities(frames.numpy(), texts)
    assert got == pytest.approx(expected.nan_to_num(neginf=-1e4).numpy(), rel=1e-9)


def test_a_string_too_long_for_its_frames_is_impossible() -> None:
    values = log_probabilities(frames_of(3).numpy(), ["1234", "11", "111"])
    assert values[0] == values[2] == -1e4  # 111 takes two blanks between
    assert values[1] > -100
    assert log_probabilities(frames_of(3).numpy(), []).shape == (0,)


@pytest.mark.parametrize("seed", range(5))
def test_beam_search_finds_what_trying_all_strings_finds(seed: int) -> None:
    frames = frames_of(5, seed, classes=4)
    expected = sorted(by_hand(frames).items(), key=lambda item: -item[1])[:3]
    found = best_texts(frames.numpy(), width=200, count=3, least=0)
    assert [text for text, _ in found] == [text for text, _ in expected]
    assert [math.exp(v) for _, v in found] == pytest.approx([v for _, v in expected])


def test_a_narrow_beam_reads_clear_frames() -> None:
    frames = torch.full((8, 11), 0.001)
    for frame, label in enumerate([0, 3, 3, 0, 3, 1, 1, 0]):
        frames[frame, label] = 1
    found = best_texts((frames / frames.sum(-1, keepdim=True)).log().numpy(), width=4)
    assert found[0][0] == "220"
    assert found[0][1] > math.log(0.9)
