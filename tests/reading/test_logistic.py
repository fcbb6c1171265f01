import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digits.reading.logistic import fit_logistic


@given(
    st.integers(0, 2**32 - 1), st.integers(2, 4), st.sampled_from([0.01, 1.0, 300.0]), st.booleans()
)
def test_no_weights_near_the_fitted_ones_make_the_answers_more_probable(
    seed: int, outcomes: int, caution: float, separable: bool
) -> None:
    rng = np.random.default_rng(seed)
    evidence = rng.normal(size=(60, 3))
    true = rng.normal(size=(outcomes, 3)) * (50 if separable else 1)
    noise = rng.gumbel(size=(60, outcomes))
    answers = (evidence @ true.T + noise).argmax(axis=1)

    def cost(weights: np.ndarray, offsets: np.ndarray) -> float:
        support = evidence @ weights.T + offsets
        logs = support - np.logaddexp.reduce(support, axis=1, keepdims=True)
        return float(caution / 2 * (weights**2).sum() - logs[np.arange(60), answers].sum())

    weights, offsets = fit_logistic(evidence, answers, outcomes, caution)
    best = cost(weights, offsets)
    assert np.isfinite(best)
    for size in (1e-3, 0.1, 1.0):
        other = cost(
            weights + size * rng.normal(size=weights.shape),
            offsets + size * rng.normal(size=offsets.shape),
        )
        assert best < other + 1e-6


def test_without_evidence_the_probabilities_are_the_shares_of_the_answers() -> None:
    weights, offsets = fit_logistic(np.zeros((10, 2)), np.array([0] * 7 + [1] * 3), 2, 1.0)
    assert weights == pytest.approx(np.zeros((2, 2)))
    assert offsets[1] - offsets[0] == pytest.approx(np.log(3 / 7), abs=1e-5)
