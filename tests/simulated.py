"""Detections as a detector makes them: photos of all qualities, rival classes, junk."""

from typing import Any

import made
import numpy as np


def simulate(count: int, seed: int = 0) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Records of detections and their targets, for `count` photos."""
    rng = np.random.default_rng(seed)
    photos = [_photo(rng, image_id) for image_id in range(1, count + 1)]
    return [record for record, _ in photos], [target for _, target in photos]


def _photo(rng: np.random.Generator, image_id: int) -> tuple[dict[str, Any], dict[str, Any]]:
    digits = rng.choice([1, 2, 3, 4], p=[0.15, 0.55, 0.26, 0.04])
    height = float(np.exp(rng.normal(3.4, 0.4)))
    width, tilt = height / rng.uniform(1.6, 2.6), rng.normal(0, 0.1)
    left, top = rng.uniform(0, 2 * height, 2)
    boxes = np.array(
        [
            [left + k * width, top + k * width * tilt, left + (k + 1) * width, 0]
            for k in range(digits)
        ]
    )
    boxes[:, 3] = boxes[:, 1] + height
    labels = rng.integers(1, 11, digits)
    quality = rng.normal(2.2, 1.5)  # of the photo: its digits are clear or blurred together
    found: list[tuple[np.ndarray, float, int]] = []
    for box, label in zip(boxes, labels, strict=True):
        for _ in range(rng.integers(1, 3)):
            seen = box + rng.normal(0, 0.06 * height, 4)
            evidence = quality + rng.normal(0, 1, 11)
            evidence[1:] -= 3.5
            evidence[label] += 3.5
            evidence[0] = rng.normal(0, 1)  # the background
            chances = np.exp(evidence) / np.exp(evidence).sum()
            found += [(seen, chances[c], int(c)) for c in (-chances[1:]).argsort()[:4] + 1]
    for _ in range(rng.integers(2, 12)):  # junk, mostly unsure, of any size
        size = height * np.exp(rng.normal(0, 0.5))
        x, y = left + rng.uniform(-2, 5) * height, top + rng.uniform(-1, 1) * height
        junk = np.array([x, y, x + size / rng.uniform(1, 3), y + size])
        found.append((junk, 1 / (1 + np.exp(-rng.normal(-3.2, 1.6))), int(rng.integers(1, 11))))
    found.sort(key=lambda item: -item[1])
    seen = made.one_by_one(found)
    record = made.record(seen, image_id, (int(3 * height), int(6 * height)))
    return dict(record), dict(made.target(boxes, labels, image_id))
