"""95 % intervals: on the logit scale for an AUC of known variance, by patient bootstrap for any statistic.

Legend: P patients, B bootstrap draws.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.special import expit, logit
from scipy.stats import bootstrap, norm

from crtcore.evaluation.metrics import FloatScores, IntLabels, check_scores
from crtcore.seeding import child_seed

LEVEL: Final = 0.95
Z: Final = float(norm.ppf((1 + LEVEL) / 2))

Statistic = Callable[[IntLabels, FloatScores], FloatScores]
"""(label, score), both of shape (..., patients), -> one number a row, shape (...)."""


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


def bootstrap_interval(
    label_P: IntLabels,
    score_P: FloatScores,
    statistic: Statistic,
    *,
    method: Literal["percentile", "bca"] = "bca",
    num_draws: int = 2000,
    seed: int,
) -> Interval:
    """The interval of any statistic by drawing patients with replacement, responders and others apart.

    `bca` is bias-corrected and accelerated (Efron 1987, JASA 82:171), of second-order accuracy; both by
    `scipy.stats.bootstrap`. `score_P` may have further axes in front of the patients' (two models' scores to
    compare, say): the statistic then gets them in front of its rows. A statistic that is the same in every
    draw has that value as both limits. DataError when a class is missing.
    """
    check_scores(label_P, score_P.reshape(-1, len(label_P))[0])
    groups = tuple(np.flatnonzero(label_P == label) for label in (1, 0))

    def of_draws(positive: IntLabels, negative: IntLabels, axis: int = -1) -> FloatScores:
        drawn_BP = np.concatenate([positive, negative], axis=axis)
        return statistic(label_P[drawn_BP], score_P[..., drawn_BP])

    rng = np.random.default_rng(child_seed(seed, "bootstrap"))
    drawn = bootstrap(
        groups,
        of_draws,
        n_resamples=num_draws,
        vectorized=True,
        confidence_level=LEVEL,
        method="percentile",
        rng=rng,
    )
    estimate = float(statistic(label_P, score_P))
    limits = drawn.confidence_interval
    if method == "bca" and np.ptp(drawn.bootstrap_distribution) > 0:
        limits = bootstrap(
            groups,
            of_draws,
            n_resamples=0,
            bootstrap_result=drawn,
            vectorized=True,
            confidence_level=LEVEL,
            method="BCa",
            rng=rng,
        ).confidence_interval
    return Interval(estimate=estimate, low=float(limits.low), high=float(limits.high))
