"""Batches on threads: their order, their cores, and what goes wrong in them."""

from collections.abc import Iterator, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from digits.inference.workers import Workers

CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def three_cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@given(st.integers(0, 20).flatmap(lambda n: st.permutations(range(n))), st.integers(1, 8))
def test_results_are_in_the_order_of_the_items(order: list[int], most: int) -> None:
    sizes = []

    def work(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        return [10 * item for item in items]

    with Workers(CPU) as workers:
        assert workers.map(work, order, most) == [10 * item for item in range(len(order))]
    assert max(sizes, default=0) <= most and sum(sizes) == len(order)


def test_every_core_gets_a_batch_and_one_batch_gets_all() -> None:
    threads = []

    def work(items: Sequence[int]) -> Sequence[int]:
        threads.append(torch.get_num_threads())
        return items

    with Workers(CPU) as workers:
        workers.map(work, range(6), 32)
        workers.map(work, range(1), 32)
    assert threads == [1, 1, 1, 3]
    assert torch.get_num_threads() == 3


def test_what_fails_in_a_thread_fails_here() -> None:
    def work(items: Sequence[int]) -> Sequence[int]:
        raise MemoryError(f"too many: {len(items)}")

    with pytest.raises(MemoryError, match="too many: 2"), Workers(CPU) as workers:
        workers.map(work, range(6), 32)
    assert torch.get_num_threads() == 3
