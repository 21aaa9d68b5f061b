"""Calibration intercept and slope against statsmodels, and cases in which they do not exist."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit

from crtcore.evaluation.calibration import calibration
from crtcore.evaluation.metrics import FloatScores

COHORT = np.array([1] * 46 + [0] * 25)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_statsmodels(seed: int, scale: float) -> None:
    probability_P = expit(scale * (np.random.default_rng(seed).standard_normal(71) + 0.8 * COHORT - 0.2))
    ours = calibration(COHORT, probability_P)
    assert ours is not None
    predicted_P = logit(probability_P)
    recalibrated = sm.Logit(COHORT, sm.add_constant(predicted_P)).fit(disp=0, tol=1e-14, maxiter=200)
    assert (ours.intercept, ours.slope) == pytest.approx(tuple(recalibrated.params), abs=1e-9)
    shifted = sm.GLM(COHORT, np.ones((71, 1)), family=sm.families.Binomial(), offset=predicted_P).fit(
        tol=1e-14
    )
    assert ours.in_the_large == pytest.approx(shifted.params[0], abs=1e-9)


def test_perfect_probabilities_have_intercept_0_and_slope_1() -> None:
    rng = np.random.default_rng(0)
    predicted_P = rng.normal(0.5, 1.0, size=40_000)
    label_P = (rng.random(40_000) < expit(predicted_P)).astype(int)
    ours = calibration(label_P, expit(predicted_P))
    assert ours is not None
    assert (ours.intercept, ours.slope, ours.in_the_large) == pytest.approx((0, 1, 0), abs=0.05)
    too_extreme = calibration(label_P, expit(2 * predicted_P))
    assert too_extreme is not None
    assert too_extreme.slope == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    "probability_P", [np.full(71, 0.4), 0.2 + 0.5 * COHORT, 0.9 - 0.5 * COHORT], ids=["same", "up", "down"]
)
def test_none_if_the_likelihood_has_no_finite_maximum(probability_P: FloatScores) -> None:
    assert calibration(COHORT, probability_P) is None


def test_votes_of_0_and_1_are_clipped() -> None:
    probability_P = np.where(np.arange(71) % 3 == 0, 1.0 - COHORT, COHORT)
    ours = calibration(COHORT, probability_P)
    assert ours is not None
    assert np.isfinite([ours.intercept, ours.slope, ours.in_the_large]).all()
    assert 0 < ours.slope < 1
