"""DeLong's variance of the AUC and test of correlated AUCs, by the fast mid-rank algorithm.

DeLong, DeLong & Clarke-Pearson 1988 (Biometrics 44:837); Sun & Xu 2014 (IEEE Signal Process. Lett. 21:1389).
Legend: P patients, C models.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from crtcore.errors import DataError
from crtcore.evaluation.intervals import Interval, Z, cross_validation_factor, logit_interval
from crtcore.evaluation.metrics import FloatScores, IntLabels, check_scores
from crtcore.evaluation.ranks import midranks


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """The AUC of the first score minus that of the second, its 95 % interval, and a two-sided p-value."""

    difference: float
    low: float
    high: float
    p_value: float


def auc_covariance(
    label_P: IntLabels, score_PC: FloatScores
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The AUC of each of C scores of the same patients, shape (C,), and their covariance, shape (C, C).

    Raises DataError if a class has fewer than two patients: the variance cannot be estimated then.
    """
    for score_P in score_PC.T:
        check_scores(label_P, score_P)
    positive_PC, negative_PC = score_PC[label_P == 1], score_PC[label_P == 0]
    for label, group_PC in ((1, positive_PC), (0, negative_PC)):
        if len(group_PC) < 2:
            raise DataError(
                f"only one of the {len(label_P)} scored patients has label {label}; the variance of an AUC "
                "needs two or more patients of each outcome"
            )
    # The rank among all minus the rank in the own class is the number of lower scores in the other class.
    rank_PC = midranks(score_PC.T).T
    below_PC = (rank_PC[label_P == 1] - midranks(positive_PC.T).T) / len(negative_PC)
    above_PC = 1 - (rank_PC[label_P == 0] - midranks(negative_PC.T).T) / len(positive_PC)
    covariance_CC = np.atleast_2d(np.cov(below_PC, rowvar=False)) / len(positive_PC)
    covariance_CC = covariance_CC + np.atleast_2d(np.cov(above_PC, rowvar=False)) / len(negative_PC)
    return below_PC.mean(axis=0), covariance_CC


def auc_interval(label_P: IntLabels, score_P: FloatScores, *, num_folds: int | None = None) -> Interval:
    """The AUC with its 95 % interval from DeLong's variance, on the logit scale.

    Give `num_folds` if the scores are out of fold, from models trained on these patients: the interval is
    then widened (`cross_validation_factor`). It is None for a rule and for a model trained on other patients.
    """
    auc_C, covariance_CC = auc_covariance(label_P, score_P[:, None])
    num_pairs = int(np.bincount(label_P).min())
    variance = float(covariance_CC[0, 0]) * cross_validation_factor(num_folds)
    return logit_interval(float(auc_C[0]), variance, num_pairs=num_pairs)


def paired_test(
    label_P: IntLabels, first_P: FloatScores, second_P: FloatScores, *, num_folds: int | None = None
) -> PairedTest:
    """Test whether two scores of the same patients have the same AUC.

    Give `num_folds` if either score is out of fold. Equally good models trained on 46/25 simulated patients
    differed "at 5 %" in 17 % of 400 cohorts without it, and in 3-5 % with it. Scores with the same order of
    patients differ by 0 with p = 1. If the AUCs differ and have no variance (a perfect score against a
    constant one), p is 0, the limit.
    """
    auc_C, covariance_CC = auc_covariance(label_P, np.stack([first_P, second_P], axis=1))
    difference = float(auc_C[0] - auc_C[1])
    variance = covariance_CC[0, 0] + covariance_CC[1, 1] - 2 * covariance_CC[0, 1]
    error = float(np.sqrt(max(variance, 0.0) * cross_validation_factor(num_folds)))
    if abs(difference) < 1e-12:
        p_value = 1.0
    else:
        p_value = float(2 * ndtr(-abs(difference) / error)) if error > 0 else 0.0
    return PairedTest(
        difference=difference, low=difference - Z * error, high=difference + Z * error, p_value=p_value
    )
