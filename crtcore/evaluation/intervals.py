"""95 % intervals: of an AUC with known variance on the logit scale, and of a share."""

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
    """The factor on the variance of an AUC if the scores come from K-fold cross-validation.

    It is 1 + K / (K - 1), the correction of Nadeau & Bengio 2003 (Machine Learning 52:239), and 1 without
    folds. The models of the folds share most of their training patients, so their errors do not average out.
    This cannot be estimated without bias from the scores (Bengio & Grandvalet 2004, JMLR 5:1089).
    """
    return 1.0 if num_folds is None else 1 + num_folds / (num_folds - 1)


def logit_interval(estimate: float, variance: float, *, num_pairs: int) -> Interval:
    """The interval of an AUC, symmetric on the logit scale, so that it stays between 0 and 1.

    Pepe 2003 (The Statistical Evaluation of Medical Tests, 5.2.6). Near 1, its coverage is better than that
    of the symmetric interval. An estimate of exactly 1 (or 0) has variance 0 and no finite logit. Its limit
    is then the AUC with which `num_pairs` disjoint pairs of patients (the number of patients of the rarer
    class) are all in order with probability 2.5 %.
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


def wilson_interval(hits: int, total: int) -> Interval | None:
    """The interval of a share (Wilson 1927, JASA 22:209); None if `total` is 0, where no share is defined."""
    if total == 0:
        return None
    share = hits / total
    centre = (share + Z**2 / (2 * total)) / (1 + Z**2 / total)
    half = Z / (1 + Z**2 / total) * np.sqrt(share * (1 - share) / total + Z**2 / (4 * total**2))
    return Interval(
        estimate=share,
        low=0.0 if hits == 0 else float(centre - half),
        high=1.0 if hits == total else float(centre + half),
    )
