"""The paired tests with comparators."""

import numpy as np
import pytest

from crtcore.evaluation.comparators import Comparator, compare
from crtcore.evaluation.delong import auc_interval, paired_test

COHORT = np.array([1] * 46 + [0] * 25)


def test_comparisons_are_delongs_paired_tests_with_all_comparators_that_have_scores() -> None:
    rng = np.random.default_rng(1)
    model_P, other_P = rng.standard_normal(71) + COHORT, rng.standard_normal(71)
    others = [Comparator(name="absent", missing_column="lbbb"), Comparator(name="other", score_P=other_P)]
    (comparison,) = compare(COHORT, model_P, others)
    assert comparison.name == "other"
    assert comparison.test == paired_test(COHORT, model_P, other_P)
    assert comparison.auc == auc_interval(COHORT, other_P)


def test_folds_widen_every_test_and_the_intervals_of_trained_comparators() -> None:
    rng = np.random.default_rng(1)
    model_P, other_P = rng.standard_normal(71) + COHORT, rng.standard_normal(71)
    rule, trained = (Comparator(name="x", trained=trained, score_P=other_P) for trained in (False, True))
    against_rule, against_trained = compare(COHORT, model_P, [rule, trained], num_folds=5)
    assert against_rule.auc == auc_interval(COHORT, other_P)
    assert against_trained.auc == auc_interval(COHORT, other_P, num_folds=5)
    assert against_rule.test == against_trained.test == paired_test(COHORT, model_P, other_P, num_folds=5)


def test_a_comparator_has_scores_or_a_reason() -> None:
    with pytest.raises(AssertionError):
        Comparator(name="neither")
