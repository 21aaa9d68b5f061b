"""The matrix version against the definition by draws and pairs."""

import numpy as np
import pytest

from crtcore.evaluation.leave_pair_out import SHARE_OF_CHOOSING, Float64Matrix, leave_pair_out, wins

LABELS = np.array([1] * 6 + [0] * 5)


@pytest.fixture
def draws() -> tuple[Float64Matrix, Float64Matrix]:
    rng = np.random.default_rng(1)
    positive_BP, negative_BP = (
        rng.multinomial(num, np.full(num, 1 / num), size=400).astype(float) for num in (6, 5)
    )
    return positive_BP, negative_BP


def test_the_estimate_and_its_variance_match_the_definition(
    draws: tuple[Float64Matrix, Float64Matrix],
) -> None:
    positive_BP, negative_BP = draws
    rng = np.random.default_rng(2)
    score_PC = rng.random((11, 4)).round(1)
    picked_B = rng.integers(0, 4, size=len(positive_BP))
    won_CPP = np.stack([wins(LABELS, score_P) for score_P in score_PC.T])
    pair = np.empty((6, 5))
    choosing_positive, choosing_negative = np.zeros(6), np.zeros(5)
    residual_B = np.zeros(len(picked_B))
    for k in range(6):
        for j in range(5):
            out = np.flatnonzero((positive_BP[:, k] == 0) & (negative_BP[:, j] == 0))
            won = won_CPP[picked_B[out], k, j]
            pair[k, j] = won.mean()
            residual_B[out] += (won - won.mean()) / len(out)
            # Influence on the choice: covariance, over the draws without the pair, of its win and the count.
            for i in range(6):
                choosing_positive[i] += np.cov(won, positive_BP[out, i], ddof=0)[0, 1] / 5
            for i in range(5):
                choosing_negative[i] += np.cov(won, negative_BP[out, i], ddof=0)[0, 1] / 6
    scored_positive, scored_negative = pair.mean(axis=1) - pair.mean(), pair.mean(axis=0) - pair.mean()
    scored = (scored_positive**2).sum() / (6 * 5) + (scored_negative**2).sum() / (5 * 4)
    both = ((scored_positive + choosing_positive) ** 2).sum() / (6 * 5)
    both += ((scored_negative + choosing_negative) ** 2).sum() / (5 * 4)
    monte_carlo = 11 / 30**2 * (residual_B**2).sum()
    estimate, variance = leave_pair_out(LABELS, score_PC, picked_B, positive_BP, negative_BP)
    assert estimate == pytest.approx(pair.mean(), abs=1e-12)
    assert variance == pytest.approx(
        scored + SHARE_OF_CHOOSING * max(0.0, both - monte_carlo - scored), abs=1e-12
    )


def test_wins_of_every_pair() -> None:
    assert wins(np.array([1, 1, 0, 0]), np.array([0.5, 0.2, 0.2, 0.4])).tolist() == [[1, 1], [0.5, 0]]
