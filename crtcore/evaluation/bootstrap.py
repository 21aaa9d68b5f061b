"""95 % intervals of any statistic by a bootstrap over patients.

Legend: P patients, B bootstrap draws.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.stats import bootstrap

from crtcore.evaluation.intervals import LEVEL, Interval
from crtcore.evaluation.metrics import FloatScores, IntLabels, check_scores
from crtcore.seeding import child_seed

Statistic = Callable[[IntLabels, FloatScores], FloatScores]
"""(label, score), both of shape (..., patients), -> one number per row, shape (...)."""


def bootstrap_interval(
    label_P: IntLabels,
    score_P: FloatScores,
    statistic: Statistic,
    *,
    method: Literal["percentile", "bca"] = "bca",
    num_draws: int = 2000,
    seed: int,
) -> Interval:
    """The interval of a statistic. Patients are drawn with replacement within each class.

    `bca` is the bias-corrected and accelerated bootstrap (Efron 1987, JASA 82:171), with second-order
    accuracy. Both methods are those of `scipy.stats.bootstrap`. `score_P` may have more axes before the
    patients' axis, for example the scores of two models; the statistic then gets them before its rows. If the
    statistic is the same in every draw, both limits have that value. Raises DataError if a class is missing.
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
