"""The bootstrap over patients against scipy, and properties of its intervals."""

from typing import Any, Literal

import numpy as np
import pytest
from scipy.stats import bootstrap, norm

from crtcore.errors import DataError
from crtcore.evaluation.bootstrap import bootstrap_interval
from crtcore.evaluation.delong import auc_interval
from crtcore.evaluation.metrics import FloatScores, IntLabels, auc, auc_rows
from crtcore.seeding import child_seed

COHORT = np.array([1] * 46 + [0] * 25)


def mean_difference(label_BP: IntLabels, score_BP: FloatScores) -> FloatScores:
    positive_BP = label_BP == 1
    num_positive = positive_BP.sum(axis=-1)
    positive_sum = (score_BP * positive_BP).sum(axis=-1)
    rest = score_BP.sum(axis=-1) - positive_sum
    return np.asarray(positive_sum / num_positive - rest / (score_BP.shape[-1] - num_positive))


def difference_of_means(first: Any, second: Any, axis: int) -> Any:
    return first.mean(axis=axis) - second.mean(axis=axis)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_agrees_with_scipy_on_two_samples(method: Literal["percentile", "bca"]) -> None:
    score_P = np.random.default_rng(0).gamma(2.0, size=71) + COHORT
    ours = bootstrap_interval(COHORT, score_P, mean_difference, method=method, num_draws=500, seed=3)
    theirs = bootstrap(
        (score_P[COHORT == 1], score_P[COHORT == 0]),
        difference_of_means,
        n_resamples=500,
        method=method,
        rng=np.random.default_rng(child_seed(3, "bootstrap")),
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_bca_is_that_of_efron_1987() -> None:
    """Bias from the share of draws below the estimate, acceleration from the jackknife over both groups."""
    rng = np.random.default_rng(child_seed(5, "bootstrap"))
    score_P = np.random.default_rng(1).exponential(size=71) + COHORT
    groups = [score_P[COHORT == 1], score_P[COHORT == 0]]
    drawn = [group[rng.integers(0, len(group), (800, len(group)))].mean(axis=1) for group in groups]
    draws = drawn[0] - drawn[1]
    estimate = groups[0].mean() - groups[1].mean()
    bias = norm.ppf((draws < estimate).mean())
    influence = [
        np.array([np.delete(group, i).mean() for i in range(len(group))]) * sign
        for group, sign in zip(groups, (1, -1), strict=True)
    ]
    influence = [(len(part) - 1) * (part.mean() - part) for part in influence]
    cubes = sum((part**3).sum() / len(part) ** 3 for part in influence)
    squares = sum((part**2).sum() / len(part) ** 2 for part in influence)
    acceleration = cubes / (6 * squares**1.5)
    z = bias + norm.ppf([0.025, 0.975])
    expected = np.quantile(draws, norm.cdf(bias + z / (1 - acceleration * z)))
    ours = bootstrap_interval(COHORT, score_P, mean_difference, num_draws=800, seed=5)
    assert (ours.low, ours.high) == pytest.approx(tuple(expected), abs=1e-9)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_the_interval_of_an_auc_is_near_delongs(method: Literal["percentile", "bca"]) -> None:
    score_P = np.random.default_rng(2).standard_normal(71) + COHORT
    ours = bootstrap_interval(COHORT, score_P, auc_rows, method=method, num_draws=1000, seed=0)
    delong = auc_interval(COHORT, score_P)
    assert ours.estimate == auc(COHORT, score_P)
    assert (ours.low, ours.high) == pytest.approx((delong.low, delong.high), abs=0.03)


def test_two_models_are_scored_on_the_same_draws() -> None:
    """A model and the same model shifted: in every draw, the AUCs differ by 0 and the means by the shift."""
    score_P = np.random.default_rng(4).standard_normal(71)
    both_MP = np.stack([score_P, score_P + 2.0])

    def difference(label_BP: IntLabels, score_MBP: FloatScores) -> FloatScores:
        return np.asarray(score_MBP[1].mean(axis=-1) - score_MBP[0].mean(axis=-1))

    interval = bootstrap_interval(COHORT, both_MP, difference, method="percentile", num_draws=50, seed=0)
    assert (interval.low, interval.estimate, interval.high) == pytest.approx((2.0, 2.0, 2.0))


def test_a_statistic_that_never_varies_has_itself_as_limits() -> None:
    interval = bootstrap_interval(COHORT, 1.0 * COHORT, auc_rows, num_draws=50, seed=0)
    assert (interval.low, interval.estimate, interval.high) == (1.0, 1.0, 1.0)


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="none of the 3 scored patients"):
        bootstrap_interval(np.ones(3, dtype=int), np.arange(3.0), auc_rows, num_draws=50, seed=0)
