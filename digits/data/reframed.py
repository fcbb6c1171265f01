"""Derive a split by cropping, widening and stretching each photo at random, several times.

`python -m digits.data.reframed DIR OUT` makes a second `valid` of a data set in the course's
layout, three reads of each photo, so that smaller differences show than on valid itself: OUT/valid/
and OUT/valid.json, for `data=coco`.
"""

from collections.abc import Sequence

import numpy as np
from torch.utils.data import Dataset

from digits.data import derived
from digits.data.foreign import Augmentation
from digits.data.loading import Item
from digits.data.order import random_stream
from digits.data.transforms import Geometric
from digits.ending import one_line_errors
from digits.errors import DigitsError
from digits.types import PhotoDataset

_MAX_COPIES = 1000  # copies of a photo
UPRIGHT = Geometric(
    zoom_out=0.6, stretch=0.08, reframe=0.1, rotate=0, steep_p=0, shear=0, perspective=0
)


class Reframed(Dataset[Item]):
    """Photos after an augmentation, `copies` times each.

    Copy k of the photo with the id i has the id `copies * i + k`, and depends on it and on the seed
    alone.

    Args:
        data: photos at their full size, and targets.
        augment: what they go through, drawing from torch's stream.
        copies: of each photo.
        seed: of the draws.
    """

    def __init__(self, data: PhotoDataset, augment: Augmentation, copies: int, seed: int) -> None:
        if not 1 <= copies <= _MAX_COPIES or seed < 0:
            raise DigitsError(
                f"expected 1 to {_MAX_COPIES} copies and seed >= 0, got {copies} and {seed}."
            )
        self.data, self.augment, self.copies, self.seed = data, augment, copies, seed
        self.labelled = data.labelled
        self.image_ids = [int(i) * copies + k for i in data.image_ids for k in range(copies)]

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> Item:
        """The photo, uint8 `(3, H, W)`, and its target."""
        image_id = self.image_ids[index]
        photo, target = self.data[index // self.copies]
        state = np.random.SeedSequence((self.seed, image_id % 2**64)).generate_state(1)
        with random_stream(int(state[0])):
            photo, target = self.augment(photo, target)
        target = {**target, "image_id": image_id}
        target.pop("size", None)  # of the file, which the photo is no longer like
        return photo, target

    def size(self, index: int) -> tuple[int, int]:
        """`(height, width)` in pixels; draws the photo."""
        height, width = self[index][0].shape[-2:]
        return height, width

    def file_name(self, index: int) -> str:
        """Of the photo that was reframed."""
        return self.data.file_name(index // self.copies)

    @property
    def paths(self) -> Sequence[str]:
        """The files of the photos before they were reframed, each as often as it was."""
        return [str(path) for path in self.data.paths for _ in range(self.copies)]


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    """Write a split of a data set, reframed."""
    parser = derived.parser("digits.data.reframed", __doc__)
    parser.add_argument("--copies", type=int, default=3, help="of each photo")
    tilt = parser.add_mutually_exclusive_group()
    tilt.add_argument("--tilted", action="store_true", help="turned and slanted as well")
    tilt.add_argument("--steep", action="store_true", help="the same, turned by up to 45 degrees")
    options = parser.parse_args(arguments)
    tilted = Geometric(steep_p=float(options.steep))
    augment = tilted if options.tilted or options.steep else UPRIGHT
    derived.write(options, lambda data: Reframed(data, augment, options.copies, options.seed))


if __name__ == "__main__":
    main()
