"""Derive a split with smaller digits, by extending the surroundings of its photos.

`python -m digits.data.distant DIR OUT` makes a harder `valid` of a data set in the course's layout,
since test photos frame digits smaller: OUT/valid/ and OUT/valid.json, for `data=coco`.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from digits.data import derived
from digits.data.loading import Item
from digits.data.photometric import to_array, to_tensor
from digits.data.warping import extend
from digits.ending import one_line_errors
from digits.errors import DigitsError
from digits.types import PhotoDataset, Target

_MAX_PIXELS = 100_000_000  # of a photo that is extended; a person means a larger share


class Distant(Dataset[Item]):
    """Photos in larger surroundings; every pixel of the original is kept, at its size.

    The surroundings are invented (`digits.data.warping.extend`) and hold no digit. A photo is
    left as it is where it has no boxes or where its digits are small enough already.

    Args:
        data: photos at their full size, and targets.
        share: bounds of the median digit's height relative to the photo's; drawn per photo.
        seed: of the draws; photo i depends on it and on its image_id alone.
    """

    def __init__(
        self, data: PhotoDataset, share: tuple[float, float] = (0.3, 0.5), seed: int = 0
    ) -> None:
        if not 0 < share[0] <= share[1] < 1 or seed < 0:
            raise DigitsError(f"expected 0 < share < 1 and seed >= 0, got {share} and {seed}.")
        self.data, self.share, self.seed = data, share, seed
        self.labelled, self.image_ids, self.file_name = (
            data.labelled,
            data.image_ids,
            data.file_name,
        )

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Item:
        """The photo, uint8 `(3, H, W)`, and its target with the boxes where they now are."""
        photo, target = self.data[index]
        pad, rng = self._padding(photo, target)
        if not pad.any():
            return photo, target
        photo = to_tensor(extend(to_array(photo), target["boxes"].double().numpy(), pad, rng))
        shift = torch.from_numpy(np.tile(pad[:2], 2)).to(target["boxes"])
        return photo, {**target, "boxes": target["boxes"] + shift}

    def size(self, index: int) -> tuple[int, int]:
        """`(height, width)` in pixels; reads the photo, whose boxes say how far it is extended."""
        left, top, right, bottom = self._padding(*self.data[index])[0].tolist()
        height, width = self.data.size(index)
        return height + top + bottom, width + left + right

    @property
    def paths(self) -> Sequence[str] | np.ndarray:
        """The files of the photos before they are extended."""
        return self.data.paths

    def _padding(self, photo: Tensor, target: Target) -> tuple[np.ndarray, np.random.Generator]:
        """Pixels `(4,)` to add at the left, top, right and bottom, and what draws them."""
        boxes = target["boxes"].double().numpy()
        rng = np.random.default_rng((self.seed, target["image_id"] % 2**64))
        wanted = rng.uniform(*self.share)
        height, width = photo.shape[-2:]
        factor = np.median(boxes[:, 3] - boxes[:, 1]) / height / wanted if len(boxes) else 1.0
        if factor > 1 and factor**2 * width * height > _MAX_PIXELS:
            raise DigitsError(
                f"share {wanted:.2g}: image_id {target['image_id']}, {width} x {height} pixels, "
                f"would become {factor:.3g} times as wide and high; expected a larger share."
            )
        more = np.round(max(factor - 1, 0) * np.array([width, height])).astype(int)
        before = (more * rng.random(2)).astype(int)
        return np.concatenate([before, more - before]), rng


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    """Write a split of a data set, seen from further away."""
    parser = derived.parser("digits.data.distant", __doc__)
    parser.add_argument(
        "--share", type=float, nargs=2, default=(0.3, 0.5), metavar=("LEAST", "MOST"),
        help="of the photo's height that its digits take (default: 0.3 0.5)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if not 0 <= options.seed < 2**63:
        raise DigitsError(f"--seed {options.seed}: expected a seed of 0 to 2**63 - 1.")
    derived.write(options, lambda data: Distant(data, tuple(options.share), options.seed))


if __name__ == "__main__":
    main()
