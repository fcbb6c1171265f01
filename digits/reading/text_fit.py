"""Fit the weights of `digits.reading.texts` to labelled photos."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from digits.reading.texts import EVIDENCE, PRIOR, Rows

_STIFFNESS = 0.01  # how much a weight is held to its prior, per photo


def fit_text_weights(photos: Sequence[Rows], truths: Sequence[str]) -> np.ndarray:
    """Weights that make the true strings most probable, held to a prior since photos are few.

    Photos whose true number no row proposes teach nothing and are left out.

    Returns:
        `(len(EVIDENCE),)`, none below 0.
    """
    from scipy.optimize import minimize  # slow to import, and reading needs none of it

    known = [
        (rows.evidence, rows.texts.index(truth))
        for rows, truth in zip(photos, truths, strict=True)
        if truth in rows.texts
    ]
    if not known:
        return PRIOR.copy()
    evidence, there = _packed([e for e, _ in known])
    right = np.array([index for _, index in known])
    photo = np.arange(len(right))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        support = evidence @ weights + there  # (N, H, C)
        total = np.logaddexp.reduce(support, axis=1)
        shares = total - np.logaddexp.reduce(total, axis=1, keepdims=True)
        within = np.exp(support - total[:, None])  # share of each row in its string
        slope = np.einsum("nhc,nhcf->ncf", within, evidence)
        pull = np.exp(shares)
        pull[photo, right] -= 1
        held = (weights - PRIOR) / PRIOR**2
        value = -shares[photo, right].mean() + _STIFFNESS * float(held @ (weights - PRIOR))
        gradient = np.einsum("nc,ncf->f", pull, slope) / len(right) + 2 * _STIFFNESS * held
        return value, gradient

    bounds = [(0.0, None)] * len(EVIDENCE)
    found: Any = minimize(loss, PRIOR, jac=True, method="L-BFGS-B", bounds=bounds)
    weights: np.ndarray = found.x
    return weights


def _packed(evidence: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Evidence `(H, C, F)` of N photos as one array, and 0 where there is some, else -1000."""
    rows, texts = (max(e.shape[axis] for e in evidence) for axis in (0, 1))
    packed = np.zeros((len(evidence), rows, texts, len(EVIDENCE)))
    there = np.full((len(evidence), rows, texts), -1e3)
    for index, one in enumerate(evidence):
        packed[index, : one.shape[0], : one.shape[1]] = one
        there[index, : one.shape[0], : one.shape[1]] = 0
    return packed, there
