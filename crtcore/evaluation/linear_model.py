"""A fitted logistic regression as plain numbers: what its pipeline imputes, subtracts, divides by and weighs.

Legend: P patients, D features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from crtcore.evaluation.baselines import LOGISTIC_REGRESSION, plain_model
from crtcore.evaluation.metrics import FloatScores, IntLabels

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearModel:
    """Logistic regression on standardised features.

    A missing value becomes `median_D`. Each weight belongs to a feature in units of its SD, so weights can be
    compared with each other.
    """

    names: tuple[str, ...]
    median_D: Float64Array
    mean_D: Float64Array
    scale_D: Float64Array
    weight_D: Float64Array
    intercept: float

    def logits(self, value_PD: FloatScores) -> Float64Array:
        """The logit of label 1 for each patient. NaN marks a missing value."""
        known_PD = np.where(np.isnan(value_PD), self.median_D, value_PD)
        logit_P: Float64Array = (known_PD - self.mean_D) / self.scale_D @ self.weight_D + self.intercept
        return logit_P

    def probabilities(self, value_PD: FloatScores) -> Float64Array:
        """The probability of label 1 for each patient."""
        probability_P: Float64Array = expit(self.logits(value_PD))
        return probability_P


def fit_linear_model(
    names: Sequence[str], value_PD: FloatScores, label_P: IntLabels, *, seed: int
) -> LinearModel:
    """Fit logistic regression to all patients, with the imputation and scaling of `baselines.py`."""
    assert value_PD.shape == (len(label_P), len(names))
    imputer, scaler, fitted = (
        step for _, step in plain_model(LOGISTIC_REGRESSION, seed).fit(value_PD, label_P).steps
    )
    return LinearModel(
        names=tuple(names),
        median_D=np.nan_to_num(
            np.asarray(imputer.statistics_, dtype=np.float64)
        ),  # NaN: no patient has a value
        mean_D=np.asarray(scaler.mean_, dtype=np.float64),
        scale_D=np.asarray(scaler.scale_, dtype=np.float64),
        weight_D=np.asarray(fitted.coef_[0], dtype=np.float64),
        intercept=float(fitted.intercept_[0]),
    )
