"""The interval of an AUC on the logit scale, and of a share."""

import pytest
from scipy.special import logit
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from crtcore.evaluation.intervals import logit_interval, wilson_interval


def test_the_logit_interval_by_hand() -> None:
    interval = logit_interval(0.8, 0.05**2, num_pairs=25)
    half_width = norm.ppf(0.975) * 0.05 / (0.8 * 0.2)
    assert logit(interval.low) == pytest.approx(logit(0.8) - half_width, abs=1e-12)
    assert logit(interval.high) == pytest.approx(logit(0.8) + half_width, abs=1e-12)


@pytest.mark.parametrize(("hits", "total"), [(0, 7), (3, 7), (7, 7), (50, 120)])
def test_wilsons_interval_is_that_of_statsmodels(hits: int, total: int) -> None:
    interval = wilson_interval(hits, total)
    assert interval is not None
    expected = proportion_confint(hits, total, method="wilson")
    assert interval.estimate == hits / total
    assert (interval.low, interval.high) == pytest.approx(expected, abs=1e-12)


def test_a_share_of_nothing_has_no_interval() -> None:
    assert wilson_interval(0, 0) is None
