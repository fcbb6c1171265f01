"""Sample the table of layouts and colours from SVHN train.

python -m digits.data.synthetic.fit_layouts svhn_train_boxes.csv.gz PHOTOS/train
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from digits.data.synthetic.layouts import TABLE

_ORDINARY = 0.51  # width / height of an ordinary digit's box, the median over SVHN train
_ONE = 0.37  # and of a 1's


def fit(boxes: Path, photos: Path, count: int = 5000, seed: int = 0) -> dict[str, np.ndarray]:
    """Sample the table that `digits.data.synthetic.layouts` draws from.

    Args:
        boxes: CSV of `image_id, width, height, digit, x_min, y_min, x_max, y_max`, a row per digit.
        photos: folder of PNG files of the same images, or of some of them.
        count: layouts to keep.
        seed: of the sample.

    Returns:
        `rows` int16 (count, 8): width, height, box height, twice the center's x and y, and
        thousandths of slope, stretch and gap; `digits` int8 (count, 4), -1 where there is none;
        `colours` uint8 (K, 3, 3): RGB of ink, ground and surroundings.
    """
    table = np.loadtxt(boxes, delimiter=",", skiprows=1, dtype=np.int64)
    numbers = np.split(table, np.flatnonzero(np.diff(table[:, 0])) + 1)
    rng = np.random.default_rng(seed)
    rows: list[list[int]] = []
    digits: list[np.ndarray] = []
    for index in rng.permutation(len(numbers)):
        number = numbers[index]
        number = number[np.argsort(number[:, 4])]
        row = _describe(number)
        if row is not None and len(rows) < count:
            rows.append(row)
            digits.append(np.pad(number[:, 3], (0, 4 - len(number)), constant_values=-1))
    colours = (_colours(photos / f"{n[0, 0]}.png", n) for n in numbers)
    return {
        "rows": np.array(rows, np.int16),
        "digits": np.array(digits, np.int8),
        "colours": np.array([c for c in colours if c is not None], np.uint8),
    }


def _describe(number: np.ndarray) -> list[int] | None:
    """A row of the table; None for a number that is not drawn from it."""
    x1, y1, x2, y2 = number[:, 4:].T.astype(float)
    tall = float(np.median(y2 - y1))
    steps = np.diff((x1 + x2) / 2)
    if len(number) > 4 or (len(steps) and steps.min() < 0.2 * tall):
        return None  # `draw_layout` stacks by itself; six photos have five digits or more
    slope = float(np.polyfit((x1 + x2) / 2, (y1 + y2) / 2, 1)[0]) if len(steps) else 0.0
    usual = np.where(number[:, 3] == 1, _ONE, _ORDINARY)
    stretch = float(np.mean((x2 - x1) / tall / usual))
    gap = float(np.mean(x1[1:] - x2[:-1]) / tall) if len(steps) else 0.0
    center = [int(x1.min() + x2.max()), int(y1.min() + y2.max())]
    ratios = [round(1000 * min(max(v, -3.0), 3.0)) for v in (slope, stretch, gap)]
    return [int(number[0, 1]), int(number[0, 2]), round(tall), *center, *ratios]


def _colours(path: Path, number: np.ndarray) -> np.ndarray | None:
    """The two colours inside the number's boxes, and the one around them."""
    photo = cv2.imread(str(path)) if path.is_file() else None
    if photo is None:
        return None
    photo = cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)
    x1, y1 = np.maximum(number[:, 4:6].min(0), 0)
    x2, y2 = number[:, 6:8].max(0)
    inside = photo[y1:y2, x1:x2].reshape(-1, 3).astype(np.float32)
    outside = np.ones(photo.shape[:2], bool)
    margin = (y2 - y1) // 3
    outside[max(0, y1 - margin) : y2 + margin, max(0, x1 - margin) : x2 + margin] = False
    if len(inside) < 20 or outside.sum() < 20:
        return None
    # Dark and bright fifths; the ink is the one that the boxes' left and right edges show less.
    order = inside.mean(1).argsort()
    fifth = len(order) // 5
    low, high = np.median(inside[order[:fifth]], 0), np.median(inside[order[-fifth:]], 0)
    edge = np.median(photo[y1:y2, [x1, min(x2, photo.shape[1]) - 1]].reshape(-1, 3), 0)
    ink, ground = (low, high) if abs(edge - low).sum() > abs(edge - high).sum() else (high, low)
    return np.stack([ink, ground, np.median(photo[outside], 0)])


def main() -> None:
    """Replace the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("boxes", type=Path, help="svhn_train_boxes.csv.gz")
    parser.add_argument("photos", type=Path, help="folder of SVHN train's PNG files")
    arguments = parser.parse_args()
    table = fit(arguments.boxes, arguments.photos)
    np.savez_compressed(TABLE, **table)  # type: ignore[arg-type]
    print(f"{TABLE}: {len(table['rows'])} layouts, {len(table['colours'])} colour triples")


if __name__ == "__main__":
    main()
