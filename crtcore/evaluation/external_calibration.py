"""Calibration of a model on patients of another cohort, with intervals, and what a recalibration would do.

Van Calster et al. 2019 (BMC Medicine 17:230); Debray et al. 2017 (BMJ 356:i6460) for observed : expected.
Legend: P patients, G groups.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit, logit

from crtcore.evaluation.calibration import CLIP, Calibration, calibration
from crtcore.evaluation.intervals import Interval, Z, wilson_interval
from crtcore.evaluation.metrics import FloatScores, IntLabels, brier, check_scores

NUM_GROUPS: Final = 5


@dataclass(frozen=True, kw_only=True)
class CalibrationGroup:
    """Patients with similar predictions: how many, their mean prediction, and the observed share."""

    num_patients: int
    predicted: float
    observed: Interval


@dataclass(frozen=True, kw_only=True)
class ExternalCalibration:
    """`intercept`, `slope` and `in_the_large` as in `Calibration`, with Wald intervals; None if the
    likelihood has no finite maximum. `observed_expected` is the number of patients with label 1 over the sum
    of the probabilities.
    """

    intercept: Interval | None
    slope: Interval | None
    in_the_large: Interval | None
    observed_expected: Interval
    groups: tuple[CalibrationGroup, ...]


@dataclass(frozen=True, kw_only=True)
class Recalibration:
    """The metrics after `logit P = intercept + slope * logit(predicted)` was fitted to these same patients.

    They are too good, because the fit has seen the outcomes. The AUC stays as it is.
    """

    name: str
    intercept: float
    slope: float
    brier: float
    sensitivity: float
    specificity: float


def external_calibration(label_P: IntLabels, probability_P: FloatScores) -> ExternalCalibration:
    """The calibration of probabilities from a model that was not trained on these patients.

    Raises DataError if a class is missing.
    """
    fitted = calibration(label_P, probability_P)
    intervals = {} if fitted is None else _intervals(fitted, probability_P)
    return ExternalCalibration(
        intercept=intervals.get("intercept"),
        slope=intervals.get("slope"),
        in_the_large=intervals.get("in_the_large"),
        observed_expected=observed_expected(label_P, probability_P),
        groups=calibration_groups(label_P, probability_P),
    )


def observed_expected(label_P: IntLabels, probability_P: FloatScores) -> Interval:
    """Observed over expected number of patients with label 1; the interval is on the log scale."""
    check_scores(label_P, probability_P)
    observed = int((label_P == 1).sum())
    ratio = observed / float(np.clip(probability_P, CLIP, 1).sum())
    spread = float(np.exp(Z * np.sqrt((1 - observed / len(label_P)) / observed)))
    return Interval(estimate=ratio, low=ratio / spread, high=ratio * spread)


def calibration_groups(label_P: IntLabels, probability_P: FloatScores) -> tuple[CalibrationGroup, ...]:
    """Up to five groups of equal size by prediction. Patients with equal predictions share a group."""
    edge_G = np.quantile(probability_P, np.linspace(0, 1, NUM_GROUPS + 1)[1:-1])
    group_P = np.searchsorted(edge_G, probability_P, side="left")
    groups = []
    for group in np.unique(group_P):
        inside_P = group_P == group
        observed = wilson_interval(int((label_P[inside_P] == 1).sum()), int(inside_P.sum()))
        assert observed is not None
        groups.append(
            CalibrationGroup(
                num_patients=int(inside_P.sum()),
                predicted=float(probability_P[inside_P].mean()),
                observed=observed,
            )
        )
    return tuple(groups)


def recalibrations(
    label_P: IntLabels, probability_P: FloatScores, *, threshold: float
) -> tuple[Recalibration, ...]:
    """What a new intercept alone, and a new intercept with a new slope, would give at the same threshold.

    Empty if they cannot be fitted. The model's own metrics stay the result: these only show how much of a
    loss is a matter of calibration.
    """
    fitted = calibration(label_P, probability_P)
    if fitted is None:
        return ()
    found = []
    for name, intercept, slope in (
        ("intercept", fitted.in_the_large, 1.0),
        ("intercept and slope", fitted.intercept, fitted.slope),
    ):
        new_P = np.asarray(expit(intercept + slope * _logit(probability_P)))
        found.append(
            Recalibration(
                name=name,
                intercept=intercept,
                slope=slope,
                brier=brier(label_P, new_P),
                sensitivity=float((new_P[label_P == 1] >= threshold).mean()),
                specificity=float((new_P[label_P == 0] < threshold).mean()),
            )
        )
    return tuple(found)


def _intervals(fitted: Calibration, probability_P: FloatScores) -> dict[str, Interval]:
    """Wald intervals from the Fisher information at the maximum."""
    predicted_P = _logit(probability_P)
    design_PD = np.stack([np.ones_like(predicted_P), predicted_P], axis=1)
    expected_P = expit(fitted.intercept + fitted.slope * predicted_P)
    covariance_DD = np.linalg.inv(design_PD.T @ (design_PD * (expected_P * (1 - expected_P))[:, None]))
    shifted_P = expit(fitted.in_the_large + predicted_P)
    return {
        "intercept": _wald(fitted.intercept, float(covariance_DD[0, 0])),
        "slope": _wald(fitted.slope, float(covariance_DD[1, 1])),
        "in_the_large": _wald(fitted.in_the_large, 1 / float((shifted_P * (1 - shifted_P)).sum())),
    }


def _wald(estimate: float, variance: float) -> Interval:
    error = Z * float(np.sqrt(variance))
    return Interval(estimate=estimate, low=estimate - error, high=estimate + error)


def _logit(probability_P: FloatScores) -> FloatScores:
    return np.asarray(logit(np.clip(probability_P.astype(np.float64), CLIP, 1 - CLIP)))
