"""Where house numbers sit in their photos, and in which colours: a table fitted on SVHN train.

Refit it with `python -m digits.data.layouts svhn_train_boxes.csv.gz PHOTOS/train`.
"""

import argparse
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

TABLE = Path(__file__).with_name("layouts.npz")
_ORDINARY = 0.51  # width / height of an ordinary digit's box, the median over SVHN train
_ONE = 0.37  # and of a 1's
_SMALL = 0.3  # share of photos whose digits are framed small, as many test photos are
_STACKED = 0.014  # share of numbers written downwards


@dataclass(frozen=True)
class Layout:
    """One number's place in one photo; lengths in pixels of the final photo."""

    height: int
    width: int
    digits: tuple[int, ...]
    box_height: float
    center: tuple[float, float]  # x, y of the whole number
    slope: float  # dy / dx of the row
    stretch: float  # width of the boxes against what is usual for their digits
    gap: float  # between neighbours' boxes, in box heights
    stacked: bool


@cache
def _table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with np.load(TABLE) as table:
        return table["rows"].astype(np.int64), table["digits"], table["colours"] / np.float32(255)


def draw_layout(rng: np.random.Generator) -> Layout:
    """A real photo's layout with another real number of the same length in it, jittered."""
    rows, digits, _ = _table()
    number = tuple(int(d) for d in digits[rng.integers(len(rows))] if d >= 0)
    same = np.flatnonzero((digits >= 0).sum(1) == len(number))  # length and geometry go together
    width, height, box_height, x, y, slope, stretch, gap = rows[rng.choice(same)].tolist()
    scale = float(np.exp(rng.normal(0, 0.12)))
    size = np.array([width, height]) * scale
    box_height = max(9.0, box_height * scale)
    center = np.array([x, y]) / 2 * scale + rng.normal(0, 0.03, 2) * size
    if rng.random() < _SMALL:  # step back: more wall around the same digits
        box_height = min(box_height, 60.0)
        size *= box_height / rng.uniform(0.2, 0.5) / size[1]
        if size.max() > 400:
            box_height, size = box_height * 400 / size.max(), size * 400 / size.max()
        center = size * rng.uniform(0.2, 0.8, 2)
    return Layout(
        height=max(12, round(size[1])),
        width=max(24, round(size[0])),
        digits=number,
        box_height=max(8.0, float(box_height)),
        center=(float(center[0]), float(center[1])),
        slope=slope / 1000 + rng.normal(0, 0.01),
        stretch=stretch / 1000 * float(np.exp(rng.normal(0, 0.05))),
        gap=gap / 1000 + rng.normal(0, 0.02),
        stacked=bool(len(number) > 1 and rng.random() < _STACKED),
    )


def draw_colours(rng: np.random.Generator) -> np.ndarray:
    """Ink, ground and surroundings of one real photo: float32 (3, 3), RGB in 0..1."""
    colours = _table()[2]
    return colours[rng.integers(len(colours))].copy()


def fit(boxes: Path, photos: Path, count: int = 5000, seed: int = 0) -> dict[str, np.ndarray]:
    """Sample the table that this module ships.

    Args:
        boxes: CSV of `image_id, width, height, digit, x_min, y_min, x_max, y_max`, a row per digit.
        photos: PNG files of the same images, or of some of them.
        count: layouts to keep.

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
    found = (_colours(photos / f"{n[0, 0]}.png", n) for n in numbers)
    return {
        "rows": np.array(rows, np.int16),
        "digits": np.array(digits, np.int8),
        "colours": np.array([c for c in found if c is not None], np.uint8),
    }


def _describe(number: np.ndarray) -> list[int] | None:
    x1, y1, x2, y2 = number[:, 4:].T.astype(float)
    tall = float(np.median(y2 - y1))
    steps = np.diff((x1 + x2) / 2)
    if len(number) > 4 or (len(steps) and steps.min() < 0.2 * tall):
        return None  # stacked numbers are drawn apart; six have five digits or more
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("boxes", type=Path, help="svhn_train_boxes.csv.gz")
    parser.add_argument("photos", type=Path, help="folder of SVHN train's PNG files")
    arguments = parser.parse_args()
    table = fit(arguments.boxes, arguments.photos)
    np.savez_compressed(TABLE, **table)  # type: ignore[arg-type]
    print(f"{TABLE}: {len(table['rows'])} layouts, {len(table['colours'])} colour triples")


if __name__ == "__main__":
    main()
