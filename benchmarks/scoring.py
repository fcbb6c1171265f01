"""mAP at full scale: each backend on the same boxes, and the same value."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from benchmarks.figures import Figure, in_turn, ratios, seconds
from digits.data.synthetic.layouts import draw_layout
from digits.errors import DigitsError
from digits.evaluation.evaluator import BACKENDS, Evaluator
from digits.types import Detections, Target

_BOXES = 30  # detections per photo, as many as model=digits keeps


def scoring(rounds: int, count: int = 13_068) -> Iterator[Figure]:
    """Seconds that the mAP of `count` photos of some 30 detections takes, by backend.

    Raises:
        DigitsError: the backends disagree.
    """
    rng = np.random.default_rng(0)
    pairs = [_photo(image_id, rng) for image_id in range(count)]
    detections, targets = [found for found, _ in pairs], [target for _, target in pairs]
    values = {}

    def score(backend: str, number: int) -> float:
        some = slice(None if number else 100)  # a minute is too much to warm up
        evaluation = Evaluator(None, backend)
        evaluation.update(detections[some], targets[some])
        return seconds(lambda: values.update({backend: evaluation.compute()["map"]}))

    found = in_turn({backend: partial(score, backend) for backend in BACKENDS}, rounds)
    fast, slow = BACKENDS
    if abs(values[fast] - values[slow]) > 1e-6:
        raise DigitsError(f"mAP {values[fast]} by {fast}, but {values[slow]} by {slow}.")
    for backend in BACKENDS:
        yield Figure.of("map", f"{backend}, {count:,} photos", found[backend], "s")
        yield Figure.of("map", f"{backend}: value", [values[backend]], "mAP")
    yield Figure.of("map", f"{slow} / {fast}: ratio", ratios(found[slow], found[fast]), "times")


def _photo(image_id: int, rng: np.random.Generator) -> tuple[Detections, Target]:
    """Digits as SVHN places them, and what a fair detector might find."""
    layout = draw_layout(rng)
    count, height = len(layout.digits), layout.box_height
    size = np.array([0.5 * layout.stretch * height, height])
    steps = np.arange(count)[:, None] - (count - 1) / 2
    middles = layout.center + steps * (size[0] + layout.gap * height) * np.array([1, layout.slope])
    boxes = np.concatenate([middles - size / 2, middles + size / 2], axis=1)
    labels = np.array(layout.digits) + 1

    which = rng.integers(count, size=_BOXES)
    off = rng.exponential(0.15, (_BOXES, 1))  # of the height
    found = boxes[which] + off * height * rng.normal(size=(_BOXES, 4))
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
    scores = rng.uniform(0.3, 1, _BOXES) * np.exp(-3 * off[:, 0])
    guessed = np.where(rng.random(_BOXES) < 0.7, labels[which], rng.integers(1, 11, _BOXES))
    return (
        {
            "boxes": torch.from_numpy(found).float(),
            "scores": torch.from_numpy(scores).float(),
            "labels": torch.from_numpy(guessed),
        },
        {
            "boxes": torch.from_numpy(boxes).float(),
            "labels": torch.from_numpy(labels),
            "image_id": image_id,
        },
    )
