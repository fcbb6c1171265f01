"""A split seen from further away: its photos' surroundings extended until digits are small.

`python -m digits.data.distant DIR OUT` makes a harder `valid` of a data set in the course's layout,
since test photos frame digits smaller: OUT/valid/ and OUT/valid.json, for `data=coco`.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from digits.data.coco import CocoDigits
from digits.data.photometric import to_array, to_tensor
from digits.data.transforms import extend
from digits.data.writing import write_splits
from digits.errors import DigitsError


class Distant(Dataset):
    """Photos in larger surroundings; every pixel of the original is kept, at its size.

    The surroundings are invented (`digits.data.transforms.extend`) and hold no digit. A photo is
    left as it is where it has no boxes or where its digits are small enough already.

    Args:
        data: photos and targets by index, `file_name(index)`.
        share: bounds of the median digit's height relative to the photo's; drawn per photo.
        seed: of the draws; photo i depends on it and on its image_id alone.
    """

    def __init__(self, data: Any, share: tuple[float, float] = (0.3, 0.5), seed: int = 0) -> None:
        if not 0 < share[0] <= share[1] < 1 or seed < 0:
            raise DigitsError(f"expected 0 < share < 1 and seed >= 0, got {share} and {seed}.")
        self.data, self.share, self.seed = data, share, seed
        self.file_name = data.file_name

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """The photo, uint8 `(3, H, W)`, and its target with the boxes where they now are."""
        photo, target = self.data[index]
        boxes = target["boxes"].double().numpy()
        rng = np.random.default_rng((self.seed, target["image_id"]))
        wanted = rng.uniform(*self.share)
        height, width = photo.shape[-2:]
        factor = np.median(boxes[:, 3] - boxes[:, 1]) / height / wanted if len(boxes) else 1.0
        if factor <= 1:
            return photo, target
        more = np.round((factor - 1) * np.array([width, height])).astype(int)
        before = (more * rng.random(2)).astype(int)
        pad = np.concatenate([before, more - before])
        photo = to_tensor(extend(to_array(photo), boxes, pad, rng))
        shift = torch.from_numpy(np.tile(before, 2)).to(target["boxes"])
        return photo, {**target, "boxes": target["boxes"] + shift}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m digits.data.distant", description=__doc__)
    parser.add_argument("data", type=Path, help="data set in the course's layout")
    parser.add_argument("out", type=Path, help="folder to make; it must not exist, or be empty")
    parser.add_argument("--split", default="valid", help="a labelled one")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        root, split = options.data, options.split
        data = CocoDigits(root / split, root / f"{split}.json")
        write_splits(options.out, {split: Distant(data, seed=options.seed)}, unlabelled="")
    except DigitsError as error:
        print(error, file=sys.stderr)
        return 1
    out = options.out
    print(f"{out}: written. Read it: python predict.py data=coco data.root={out} split={split}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
