"""Logistic regression of few features, exact in a few steps of Newton's method."""

import numpy as np

_STEPS = 100  # ten are usual
_ENOUGH = 1e-10  # decrease that the next step promises, per example, at which the last is good
_HELD = 1e-9  # stiffness of the offsets, which would be free to move together


def fit_logistic(
    evidence: np.ndarray, answers: np.ndarray, outcomes: int, caution: float
) -> tuple[np.ndarray, np.ndarray]:
    """The weights that make the answers most probable.

    Args:
        evidence: `(N, F)`.
        answers: int64 `(N,)`, in 0 to `outcomes` - 1.
        outcomes: K.
        caution: weights cost half of their sum of squares times this; offsets are free.

    Returns:
        Weights `(K, F)` and offsets `(K,)`; the probabilities of the outcomes are the softmax of
        `evidence @ weights.T + offsets`.
    """
    x = np.column_stack([evidence, np.ones(len(evidence))])
    wide = x.shape[1]
    stiffness = np.tile(np.append(np.full(wide - 1, caution), _HELD), outcomes)
    right = np.eye(outcomes)[answers]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        support = x @ weights.reshape(outcomes, wide).T
        logs = support - np.logaddexp.reduce(support, axis=1, keepdims=True)
        return float(stiffness @ weights**2 / 2 - (logs * right).sum()), np.exp(logs)

    weights = np.zeros(outcomes * wide)
    value, shares = loss(weights)
    for _ in range(_STEPS):
        slope = ((shares - right).T @ x).ravel() + stiffness * weights
        curve = np.diag(stiffness).reshape(outcomes, wide, outcomes, wide)
        for a in range(outcomes):
            for b in range(outcomes):
                say = shares[:, a] * ((a == b) - shares[:, b])
                curve[a, :, b] += (x * say[:, None]).T @ x
        step = np.linalg.solve(curve.reshape(len(weights), -1), slope)
        if slope @ step < _ENOUGH * len(x):
            break
        length = 1.0
        while (new := loss(weights - length * step))[0] > value and length > 1e-6:
            length /= 2
        weights, (value, shares) = weights - length * step, new
    fitted = weights.reshape(outcomes, wide)
    return fitted[:, :-1], fitted[:, -1]
