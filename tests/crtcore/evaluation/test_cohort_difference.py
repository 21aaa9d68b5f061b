"""Summaries and standardised differences by hand."""

import math

import numpy as np
import pytest

from crtcore.evaluation.cohort_difference import Summary, differences, summarise


def test_a_summary_leaves_out_missing_values_and_empty_variables() -> None:
    found = summarise([{"a": 1.0, "b": math.nan}, {"a": math.nan}, {"a": 4.0, "c": 2.0}])
    assert (found["a"].mean, found["a"].num) == (2.5, 2)
    assert found["a"].sd == pytest.approx(np.std([1, 4], ddof=1))
    assert found["c"] == Summary(mean=2.0, sd=0.0, num=1)
    assert "b" not in found


def test_the_standardised_difference_by_hand() -> None:
    (found,) = differences({"a": Summary(mean=10.0, sd=3.0, num=5)}, {"a": Summary(mean=12.0, sd=4.0, num=9)})
    assert found.standardised == pytest.approx(2 / math.sqrt(12.5))
    assert found.is_large


def test_a_difference_without_spread_is_infinite_and_an_equal_one_zero() -> None:
    rate = {"rate": Summary(mean=500.0, sd=0.0, num=5)}
    (same,) = differences(rate, rate)
    (lower,) = differences(rate, {"rate": Summary(mean=250.0, sd=0.0, num=5)})
    assert (same.standardised, same.is_large) == (0.0, False)
    assert (lower.standardised, lower.is_large) == (-math.inf, True)


def test_a_variable_of_one_cohort_has_no_difference() -> None:
    one = {"a": Summary(mean=1.0, sd=1.0, num=3)}
    found = differences(one, {"b": Summary(mean=1.0, sd=1.0, num=3)})
    assert [(each.name, each.standardised, each.is_large) for each in found] == [
        ("a", None, False),
        ("b", None, False),
    ]
