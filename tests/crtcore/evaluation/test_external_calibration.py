"""External calibration against statsmodels, and where the truth is known."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit

from crtcore.errors import DataError
from crtcore.evaluation.external_calibration import (
    calibration_groups,
    external_calibration,
    observed_expected,
    recalibrations,
)


def drawn(num: int = 400, *, shift: float = 0.0, slope: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions whose calibration has this intercept and slope."""
    rng = np.random.default_rng(3)
    predicted_P = rng.normal(0, 1.5, num)
    label_P = (rng.uniform(size=num) < expit(shift + slope * predicted_P)).astype(np.int64)
    return label_P, expit(predicted_P)


def test_intervals_equal_those_of_a_logistic_regression() -> None:
    label_P, probability_P = drawn(shift=0.7, slope=0.5)
    found = external_calibration(label_P, probability_P)
    fitted = sm.GLM(label_P, sm.add_constant(logit(probability_P)), family=sm.families.Binomial()).fit()
    for interval, place in ((found.intercept, 0), (found.slope, 1)):
        assert interval is not None
        assert interval.estimate == pytest.approx(fitted.params[place], abs=1e-6)
        assert (interval.low, interval.high) == pytest.approx(fitted.conf_int()[place], abs=1e-4)
    offset = sm.GLM(
        label_P, np.ones(len(label_P)), family=sm.families.Binomial(), offset=logit(probability_P)
    ).fit()
    assert found.in_the_large is not None
    assert found.in_the_large.low == pytest.approx(offset.conf_int()[0, 0], abs=1e-4)
    assert found.slope is not None and found.slope.high < 1


def test_observed_over_expected_by_hand() -> None:
    found = observed_expected(np.array([1, 1, 0, 0]), np.array([0.2, 0.3, 0.3, 0.2]))
    assert found.estimate == pytest.approx(2.0)
    spread = np.exp(1.959964 * np.sqrt(0.5 / 2))
    assert (found.low, found.high) == pytest.approx((2 / spread, 2 * spread))


def test_groups_hold_every_patient_once_in_order() -> None:
    label_P, probability_P = drawn(103)
    groups = calibration_groups(label_P, probability_P)
    assert sum(group.num_patients for group in groups) == 103
    assert {group.num_patients for group in groups} <= {20, 21}
    assert len(groups) == 5
    means = [group.predicted for group in groups]
    assert means == sorted(means)
    total = sum(group.num_patients * group.observed.estimate for group in groups)
    assert total == pytest.approx(label_P.sum())


def test_equal_predictions_are_one_group() -> None:
    (group,) = calibration_groups(np.array([1, 0, 0]), np.full(3, 0.4))
    assert group.num_patients == 3
    assert group.predicted == pytest.approx(0.4)


def test_a_new_intercept_repairs_a_shift_and_a_slope_what_is_too_extreme() -> None:
    label_P, probability_P = drawn(20_000, shift=1.0, slope=0.4)
    before = external_calibration(label_P, probability_P)
    shifted, both = recalibrations(label_P, probability_P, threshold=0.5)
    assert (shifted.name, shifted.slope) == ("intercept", 1.0)
    assert (both.intercept, both.slope) == pytest.approx((1.0, 0.4), abs=0.05)
    naive = float(((probability_P - label_P) ** 2).mean())
    assert naive > shifted.brier > both.brier
    new_P = expit(both.intercept + both.slope * logit(probability_P))
    assert both.sensitivity == pytest.approx((new_P[label_P == 1] >= 0.5).mean())
    assert both.specificity == pytest.approx((new_P[label_P == 0] < 0.5).mean())
    assert before.slope is not None and before.slope.estimate == both.slope


def test_separated_classes_have_no_slope_and_no_recalibration() -> None:
    label_P, probability_P = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    found = external_calibration(label_P, probability_P)
    assert (found.intercept, found.slope, found.in_the_large) == (None, None, None)
    assert recalibrations(label_P, probability_P, threshold=0.5) == ()


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="label 0"):
        external_calibration(np.ones(3, np.int64), np.full(3, 0.5))
