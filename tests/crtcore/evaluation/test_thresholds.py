"""Youden's threshold, from other folds than the patient's own."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from crtcore.evaluation.metrics import classification
from crtcore.evaluation.thresholds import fold_thresholds, youden_threshold

COHORT = np.array([1] * 46 + [0] * 25)


@pytest.mark.parametrize("decimals", [1, 6])
@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_on_the_roc_curve_is_better(seed: int, decimals: int) -> None:
    score_P = (np.random.default_rng(seed).standard_normal(71) + COHORT).round(decimals)
    figures = classification(COHORT, score_P, youden_threshold(COHORT, score_P))
    false_positive_T, true_positive_T, _ = roc_curve(COHORT, score_P)
    assert figures["sensitivity"] + figures["specificity"] - 1 == pytest.approx(
        (true_positive_T - false_positive_T).max(), abs=1e-12
    )


def test_the_threshold_is_a_midpoint_and_the_lowest_of_equally_good_ones() -> None:
    assert youden_threshold(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.9])) == pytest.approx(0.4)
    assert youden_threshold(np.array([0, 1, 0, 1]), np.array([0.1, 0.3, 0.5, 0.7])) == pytest.approx(0.2)


def test_reversed_scores_predict_all_patients_positive() -> None:
    assert youden_threshold(np.array([1, 1, 0]), np.array([0.1, 0.2, 0.9])) == 0.1


def test_neighbouring_floats_are_separated() -> None:
    low = 0.3
    high = np.nextafter(low, 1)
    assert low < youden_threshold(np.array([0, 1]), np.array([low, high])) <= high


def test_a_patients_own_fold_is_not_used_for_the_threshold() -> None:
    rng = np.random.default_rng(0)
    score_P, fold_P = rng.standard_normal(71) + COHORT, rng.permutation(np.arange(71) % 5)
    threshold_P = fold_thresholds(COHORT, score_P, fold_P)
    inside_P = fold_P == 2
    assert threshold_P[inside_P] == pytest.approx(youden_threshold(COHORT[~inside_P], score_P[~inside_P]))
    changed_P = np.where(inside_P, -score_P, score_P)
    label_P = np.where(inside_P, 1 - COHORT, COHORT)
    assert (fold_thresholds(label_P, changed_P, fold_P)[inside_P] == threshold_P[inside_P]).all()
