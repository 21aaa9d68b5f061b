"""Calibration: does a predicted probability match the observed share? By logistic recalibration.

Cox 1958 (Biometrika 45:562); Van Calster et al. 2019 (BMC Medicine 17:230).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import brentq, root
from scipy.special import expit, logit

from crtcore.evaluation.metrics import FloatScores, IntLabels, check_scores

CLIP: Final = 1e-6  # probabilities of 0 and 1, as a forest may give, have no finite logit


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """logit P(label 1) = intercept + slope * logit(predicted). Perfect values are 0 and 1.

    With a slope below 1, predictions are too extreme. `in_the_large` is the intercept if the slope is fixed
    at 1. If it is above 0, predictions are too low on average.
    """

    intercept: float
    slope: float
    in_the_large: float


def calibration(label_P: IntLabels, probability_P: FloatScores) -> Calibration | None:
    """Intercept and slope by maximum likelihood.

    None if the likelihood has no finite maximum: all predictions are equal, or one threshold separates the
    classes. Probabilities are clipped to 1e-6 to 1 - 1e-6. Raises DataError if a class is missing.
    """
    check_scores(label_P, probability_P)
    assert (probability_P >= 0).all() and (probability_P <= 1).all(), "not probabilities"
    predicted_P = logit(np.clip(probability_P.astype(np.float64), CLIP, 1 - CLIP))
    positive, negative = predicted_P[label_P == 1], predicted_P[label_P == 0]
    if positive.min() >= negative.max() or negative.min() >= positive.max():
        return None
    in_the_large = brentq(lambda shift: (expit(shift + predicted_P) - label_P).sum(), -40, 40, xtol=1e-13)
    mean, scale = predicted_P.mean(), predicted_P.std()
    intercept, slope = _maximum_likelihood(label_P, (predicted_P - mean) / scale)
    slope /= scale
    return Calibration(
        intercept=float(intercept - slope * mean), slope=float(slope), in_the_large=float(in_the_large)
    )


def _maximum_likelihood(label_P: IntLabels, standardised_P: FloatScores) -> tuple[float, float]:
    """Intercept and slope at which the gradient of the logistic likelihood is 0."""
    design_PD = np.stack([np.ones_like(standardised_P), standardised_P], axis=1)

    def gradient(beta_D: FloatScores) -> FloatScores:
        return np.asarray(design_PD.T @ (expit(design_PD @ beta_D) - label_P))

    def hessian(beta_D: FloatScores) -> FloatScores:
        fitted_P = expit(design_PD @ beta_D)
        return np.asarray(design_PD.T @ (design_PD * (fitted_P * (1 - fitted_P))[:, None]))

    solution = root(gradient, np.zeros(2), jac=hessian, tol=1e-12)
    assert np.abs(gradient(solution.x)).max() < 1e-6, solution.message
    return float(solution.x[0]), float(solution.x[1])
