"""The interval of an AUC on the logit scale."""

import pytest
from scipy.special import logit
from scipy.stats import norm

from crtcore.evaluation.intervals import logit_interval


def test_the_logit_interval_by_hand() -> None:
    interval = logit_interval(0.8, 0.05**2, num_pairs=25)
    half_width = norm.ppf(0.975) * 0.05 / (0.8 * 0.2)
    assert logit(interval.low) == pytest.approx(logit(0.8) - half_width, abs=1e-12)
    assert logit(interval.high) == pytest.approx(logit(0.8) + half_width, abs=1e-12)
