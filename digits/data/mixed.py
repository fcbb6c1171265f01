"""Training photos from several sources by given shares, such as real and synthetic ones."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from digits.errors import DigitsError


class Mixed(Dataset):
    """Draws photo i from a source chosen by the shares; it depends on `(seed, i)` alone.

    Like synthetic photos the mix has no end of its own: a share means the same whatever the
    sources' sizes, and an epoch is a number of batches (`trainer.limit_train_batches`).

    Args:
        sources: data sets of (photo, target) by name.
        shares: name to a positive weight; they need not add up to 1.
        count: number of draws.
        seed: another seed is another order.
    """

    labelled = True

    def __init__(
        self, sources: Mapping[str, Any], shares: Mapping[str, float], count: int, seed: int = 0
    ) -> None:
        self.sources = [sources[name] for name in shares]
        weights = np.array(list(shares.values()), dtype=np.float64)
        self._shares = weights / weights.sum()
        self.count, self.seed = count, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """The photo, uint8 `(3, H, W)`, and its target, whose image_id is the draw's number."""
        source, position = self._draw(index)
        photo, target = source[position]
        return photo, target | {"image_id": index + 1}

    def size(self, index: int) -> tuple[int, int]:
        """`(height, width)`, without reading the photo."""
        source, position = self._draw(index)
        size: tuple[int, int] = source.size(position)
        return size

    def file_name(self, index: int) -> str:
        source, position = self._draw(index)
        name: str = source.file_name(position)
        return name

    def _draw(self, index: int) -> tuple[Any, int]:
        if not 0 <= index < self.count:
            raise IndexError(index)
        rng = np.random.default_rng((self.seed, index))
        source = self.sources[rng.choice(len(self.sources), p=self._shares)]
        return source, int(rng.integers(len(source)))


def open_split(
    split: str,
    shares: Mapping[str, float],
    evaluate_on: str,
    count: int = 1_000_000,
    seed: int = 0,
    **sources: Callable[[str], Any],
) -> Any:
    """Open train as a mix, valid and test of one source.

    Args:
        split: train, valid or test.
        shares: name of a source to its share of the training photos; 0 leaves it out.
        evaluate_on: the source whose valid and test splits are used.
        count: training photos that can be drawn.
        seed: of the draws.
        sources: split openers by name.

    Raises:
        DigitsError: a name that is no source, or shares that are negative or all 0.
    """
    names = ", ".join(sources)
    unknown = sorted({*shares, evaluate_on} - set(sources))
    if unknown:
        raise DigitsError(
            f"data.shares and data.evaluate_on name {', '.join(unknown)}: expected names of the "
            f"sources, which are {names}."
        )
    kept = {name: share for name, share in shares.items() if share != 0}
    if not kept or min(kept.values()) < 0:
        raise DigitsError(
            f"data.shares={dict(shares)}: expected no share below 0 and at least one above."
        )
    if split != "train":
        return sources[evaluate_on](split)
    return Mixed({name: sources[name]("train") for name in kept}, kept, count, seed)
