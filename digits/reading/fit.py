"""Fit the calibrated reader: scikit-learn in, plain numbers out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from digits import fingerprints
from digits.geometry import match
from digits.reading.base import ReaderState
from digits.reading.features import NAMES, Candidates, candidates
from digits.reading.text_fit import fit_text_weights
from digits.reading.texts import EVIDENCE, decide_text, gather
from digits.reading.weighing import NOTHING, OUTCOMES, RIGHT, WRONG, Weights, decide
from digits.types import Detections, Target, target_number

_PENALTIES = (0.003, 0.03, 0.3, 3.0)  # scikit-learn's C: small is cautious
_FOLDS = 5
_NEVER_SEEN = -15.0  # log-odds of an outcome that did not occur


def fit_weights(
    records: Sequence[Detections],
    targets: Sequence[Target],
    nms_iou: float,
    ignore: Sequence[str] = (),
) -> ReaderState:
    """Fit to the detections and the true digits of photos, ignoring evidence of some names.

    What a box is (nothing, the digit it says, another digit) is a multinomial logistic regression
    on its evidence, the penalty chosen by cross-validation over photos; what a whole number's
    probability is worth, a logistic regression on the product over its boxes (Platt's scaling),
    fitted to photos that were held out from the first.

    Returns:
        Plain numbers, as `digits.reading.weighing` wants them.
    """
    scale = score_scale(records)
    photos = [candidates(record, nms_iou, scale) for record in records]
    outcomes = [outcome(p, t) for p, t in zip(photos, targets, strict=True)]
    for photo in photos:  # evidence that never varies gets no weight
        photo.evidence[:, [NAMES.index(name) for name in ignore]] = 0
    folds = np.array(folds_of(len(photos), _FOLDS))

    best: tuple[float, float, list[np.ndarray]] | None = None
    for penalty in _PENALTIES:
        held_out: list[np.ndarray] = [np.zeros((0, 3))] * len(photos)
        for fold in range(_FOLDS):
            others = np.flatnonzero(folds != fold)
            weights = Weights(_fit_boxes(photos, outcomes, others, penalty, scale))
            for index in np.flatnonzero(folds == fold):
                held_out[index] = weights.probabilities(photos[index].evidence)
        loss = -sum(
            float(np.log(p[np.arange(len(o)), o]).sum())
            for p, o in zip(held_out, outcomes, strict=True)
        )
        if best is None or loss < best[0]:
            best = (loss, penalty, held_out)
    assert best is not None
    _, penalty, held_out = best
    state = {
        "photos": len(photos),
        "digest": fingerprints.of_targets(targets),
        "penalty": penalty,
        **_fit_boxes(photos, outcomes, np.arange(len(photos)), penalty, scale),
        "number": _fit_numbers(photos, held_out, targets),
    }
    if all(record.get("rows") or not len(record["boxes"]) for record in records):
        state["texts"] = _fit_texts(records, photos, held_out, targets)
    return state


def score_scale(records: Sequence[Detections]) -> float:
    """What the surest scores of these detections are: 1 for a detector, less for many a fusion."""
    best = [float(r["scores"].max()) for r in records if len(r["scores"])]
    return max(float(np.quantile(best, 0.98)), 1e-6) if best else 1.0


def outcome(photo: Candidates, target: Target) -> np.ndarray:
    """What each candidate is, int64 `(K,)`: index into `OUTCOMES`."""
    truth = target["labels"].cpu().numpy()
    shown = match(photo.boxes, target["boxes"].cpu().double().numpy())
    right = truth[shown] == photo.labels if len(truth) else np.zeros(len(shown), dtype=bool)
    return np.where(shown < 0, NOTHING, np.where(right, RIGHT, WRONG))


def folds_of(count: int, folds: int) -> list[int]:
    """A fold for each photo, as even as can be, shuffled but always the same."""
    fold: list[int] = (np.random.default_rng(0).permutation(count) % folds).tolist()
    return fold


def _fit_boxes(
    photos: list[Candidates],
    outcomes: list[np.ndarray],
    chosen: np.ndarray,
    penalty: float,
    scale: float,
) -> ReaderState:
    evidence = np.concatenate([photos[i].evidence for i in chosen])
    answer = np.concatenate([outcomes[i] for i in chosen])
    mean, spread = evidence.mean(axis=0), evidence.std(axis=0)
    spread[spread < 1e-9] = 1.0  # evidence that never varies (votes of a single model)
    weights, bias = np.zeros((len(OUTCOMES), len(NAMES))), np.full(len(OUTCOMES), _NEVER_SEEN)
    occurring = np.unique(answer)
    bias[occurring] = 0
    if len(occurring) > 1:
        model = _logistic(penalty).fit((evidence - mean) / spread, answer)
        # With two outcomes, scikit-learn gives the log-odds of the second alone.
        rows = occurring if len(occurring) > 2 else occurring[1:]
        weights[rows], bias[rows] = model.coef_, model.intercept_
    return {
        "features": list(NAMES),
        "score_scale": scale,
        "mean": mean.tolist(),
        "spread": spread.tolist(),
        "weights": weights.tolist(),
        "bias": bias.tolist(),
    }


def _fit_texts(
    records: Sequence[Detections],
    photos: list[Candidates],
    held_out: list[np.ndarray],
    targets: Sequence[Target],
) -> dict[str, Any]:
    """Weights of both opinions, and what the probability of a string is worth."""
    pairs = [
        (gather(record["rows"], photo, chances), target_number(target))
        for record, photo, chances, target in zip(records, photos, held_out, targets, strict=True)
        if record.get("rows")
    ]
    weights = fit_text_weights([rows for rows, _ in pairs], [truth for _, truth in pairs])
    decisions = [(decide_text(rows, weights), truth) for rows, truth in pairs]
    odds = [decision.log_odds for decision, _ in decisions]
    right = [decision.text == truth for decision, truth in decisions]
    return {"evidence": list(EVIDENCE), "weights": weights.tolist(), "number": _platt(odds, right)}


def _logistic(penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression  # slow to import, and reading needs none

    return LogisticRegression(C=penalty, max_iter=500)


def _fit_numbers(
    photos: list[Candidates], held_out: list[np.ndarray], targets: Sequence[Target]
) -> list[float]:
    """Slope and offset that turn a product's log-odds into those of the number being right."""
    odds, right = [], []
    for photo, chances, target in zip(photos, held_out, targets, strict=True):
        if len(photo.indices):
            decision = decide(photo, chances)
            odds.append(decision.log_odds)
            right.append(decision.number == target_number(target))
    return _platt(odds, right)


def _platt(log_odds: Sequence[float], right: Sequence[bool]) -> list[float]:
    """Slope and offset that turn log-odds into those of being right (Platt's scaling)."""
    if len(set(right)) < 2:  # nothing to learn from: take the odds as they are
        return [1.0, 0.0]
    model = _logistic(10.0).fit(np.array(log_odds)[:, None], right)
    # Surer numbers must never become less sure.
    return [max(float(model.coef_[0, 0]), 0.0), float(model.intercept_[0])]
