"""Training photos from several sources by given shares, such as real and synthetic ones."""

from collections.abc import Mapping

import numpy as np
from torch.utils.data import Dataset

from digits.data.loading import Item, SplitOpener
from digits.errors import DigitsError
from digits.types import PhotoDataset


class Mixed(Dataset[Item]):
    """Draws photo i from a source chosen by the shares; it depends on `(seed, i)` alone.

    As of synthetic photos there are as many as one asks for: a share means the same whatever the
    sources' sizes, and an epoch is a number of batches (`trainer.limit_train_batches`).

    Args:
        sources: data sets by name.
        shares: name to a positive weight; they need not add up to 1.
        count: number of draws.
        seed: another seed is another order.
    """

    paths: tuple[str, ...] = ()  # draws repeat the sources' files

    def __init__(
        self,
        sources: Mapping[str, PhotoDataset],
        shares: Mapping[str, float],
        count: int,
        seed: int = 0,
    ) -> None:
        self.sources = [sources[name] for name in shares]
        weights = np.array(list(shares.values()), dtype=np.float64)
        self._shares = weights / weights.sum()
        self.image_ids = range(1, count + 1)
        self.seed = seed

    @property
    def labelled(self) -> bool:
        """Whether all sources are."""
        return all(source.labelled for source in self.sources)

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> Item:
        """The photo, uint8 `(3, H, W)`, and its target, whose image_id is the draw's number."""
        source, position = self._draw(index)
        photo, target = source[position]
        return photo, {**target, "image_id": self.image_ids[index]}

    def size(self, index: int) -> tuple[int, int]:
        """`(height, width)` in pixels, by the source."""
        source, position = self._draw(index)
        return source.size(position)

    def file_name(self, index: int) -> str:
        """The name in the source; draws repeat names."""
        source, position = self._draw(index)
        return source.file_name(position)

    def _draw(self, index: int) -> tuple[PhotoDataset, int]:
        rng = np.random.default_rng((self.seed, range(len(self))[index]))
        source = self.sources[rng.choice(len(self.sources), p=self._shares)]
        return source, int(rng.integers(len(source)))


def open_split(
    split: str,
    shares: Mapping[str, float],
    evaluate_on: str,
    count: int = 1_000_000,
    seed: int = 0,
    **sources: SplitOpener,
) -> PhotoDataset:
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
        return _open(sources, evaluate_on, split)
    return Mixed({name: _open(sources, name, "train") for name in kept}, kept, count, seed)


def _open(sources: Mapping[str, SplitOpener], name: str, split: str) -> PhotoDataset:
    """A split of a source; what it says of its folder names the setting that the mix has for it."""
    try:
        return sources[name](split)
    except DigitsError as error:
        raise DigitsError(str(error).replace("data.root", f"data.{name}.root")) from error
