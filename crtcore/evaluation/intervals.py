"""95 % intervals of an AUC of known variance, on the logit scale."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit, logit, ndtri

LEVEL: Final = 0.95
Z: Final = float(ndtri((1 + LEVEL) / 2))


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate and the limits of its 95 % interval."""

    estimate: float
    low: float
    high: float


def cross_validation_factor(num_folds: int | None) -> float:
    """By how much cross-validation widens the variance of an AUC beyond that of fixed scores.

    1 + K / (K - 1) for K folds: the correction of Nadeau & Bengio 2003 (Machine Learning 52:239), for the
    models of the folds share most of their training patients, so their errors do not average out; 1 without
    folds. No estimate of this from the scores alone is unbiased (Bengio & Grandvalet 2004, JMLR 5:1089).
    """
    return 1.0 if num_folds is None else 1 + num_folds / (num_folds - 1)


def logit_interval(estimate: float, variance: float, *, num_pairs: int) -> Interval:
    """The interval of an AUC, symmetric on the logit scale, so never outside 0 to 1.

    Pepe 2003 (The Statistical Evaluation of Medical Tests, 5.2.6); better coverage than the symmetric one
    near 1. An estimate of exactly 1 (or 0) has variance 0 and no logit. Its limit is then the AUC at which
    `num_pairs` disjoint pairs of patients, as many as the rarer outcome has patients, are all in order with
    chance 2.5 %.
    """
    if estimate in (0.0, 1.0):
        bound = ((1 - LEVEL) / 2) ** (1 / num_pairs)
        low, high = (bound, 1.0) if estimate == 1.0 else (0.0, 1 - bound)
        return Interval(estimate=estimate, low=low, high=high)
    half_width = Z * np.sqrt(variance) / (estimate * (1 - estimate))
    centre = logit(estimate)
    return Interval(
        estimate=estimate, low=float(expit(centre - half_width)), high=float(expit(centre + half_width))
    )
