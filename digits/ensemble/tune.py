"""Search for the weights, IoU and score floor of a fusion on labelled photos."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from digits.ensemble.fuser import Fuser
from digits.ensemble.fusion import Fusion
from digits.evaluation.evaluator import mean_average_precision
from digits.types import Record, Target

_IOUS = (0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75)
_FLOORS = (0.02, 0.05, 0.1)
_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
_POWERS = (1, 2, 4)  # weights by a member's mAP to this power, to start from
_MIN_GAIN = 2e-4  # mAP that a step must bring: less is noise
_MIN_PHOTOS = 50  # photos that a search needs
_MAX_PHOTOS = 400  # photos to search on; more cost time and change little


class Tuner:
    """Searches by mAP, one setting at a time; nothing is fused twice.

    Args:
        fuser: of the members' detections.
        targets: of the same photos.
        backend: of `digits.evaluation.evaluator.Evaluator`.
    """

    def __init__(
        self, fuser: Fuser, targets: Sequence[Target], backend: str = "faster_coco_eval"
    ) -> None:
        self.fuser = fuser
        self.targets = targets
        self.backend = backend
        self._fused: dict[Fusion, dict[int, Record]] = {}

    def fused(self, fusion: Fusion, chosen: Sequence[int]) -> list[Record]:
        """The fused records of photos."""
        known = self._fused.setdefault(fusion, {})
        missing = [i for i in chosen if i not in known]
        known.update(zip(missing, self.fuser(fusion, missing), strict=True))
        return [known[i] for i in chosen]

    def tune(self, start: Fusion, chosen: Sequence[int]) -> Fusion:
        """The best fusion found on some photos; with too few to learn from, the start.

        Args:
            start: its IoU and score floor are where the search starts.
            chosen: indices of photos.
        """
        if len(chosen) < _MIN_PHOTOS:
            return start
        chosen = chosen[:: -(-len(chosen) // _MAX_PHOTOS)]
        scores: dict[Fusion, float] = {}

        def score(fusion: Fusion) -> float:
            if fusion not in scores:
                scores[fusion] = self._map(self.fused(fusion, chosen), chosen)
            return scores[fusion]

        alone = np.array([self._map([m[i] for i in chosen], chosen) for m in self.fuser.members])
        alone = np.maximum(alone / max(alone.max(), 1e-9), 0)
        schemes = [np.ones(len(alone)), *(alone**power for power in _POWERS)]
        best = max((replace(start, weights=_on_grid(s)) for s in schemes), key=score)
        best = _climb(best, score, "iou", _IOUS)
        for member in np.argsort(alone):
            best = _climb(best, score, int(member), _WEIGHTS)
        return _climb(best, score, "score_floor", _FLOORS)

    def _map(self, records: Sequence[Record], chosen: Sequence[int]) -> float:
        targets = [self.targets[i] for i in chosen]
        return mean_average_precision(records, targets, self.backend)


def _climb(
    best: Fusion, score: Callable[[Fusion], float], name: str | int, grid: Sequence[float]
) -> Fusion:
    """Walk along one setting's grid, either way, as long as that helps; a number is a member."""
    for step in (1, -1):
        while True:
            value = best.weights[name] if isinstance(name, int) else getattr(best, name)
            index = int(np.abs(np.array(grid) - value).argmin()) + step
            if not 0 <= index < len(grid):
                break
            if isinstance(name, int):
                weights = (*best.weights[:name], grid[index], *best.weights[name + 1 :])
                if max(weights) < 1:  # only ratios count: others would be the same again
                    break
                other = replace(best, weights=weights)
            elif name == "iou":
                other = replace(best, iou=grid[index])
            else:
                other = replace(best, score_floor=grid[index])
            if score(other) < score(best) + _MIN_GAIN:
                break
            best = other
    return best


def _on_grid(weights: np.ndarray) -> tuple[float, ...]:
    nearest = np.abs(np.array(_WEIGHTS)[:, None] - weights[None]).argmin(axis=0)
    return tuple(_WEIGHTS[i] for i in nearest)
