"""DeLong's variance and test on the paper's data, against the definition, and at AUCs of 0 and 1."""

from io import StringIO

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from crtcore.errors import DataError
from crtcore.evaluation.delong import auc_covariance, auc_interval, paired_test
from crtcore.evaluation.metrics import FloatScores, IntLabels

# DeLong, DeLong & Clarke-Pearson 1988: albumin, total protein, K-G score and outcome (popind) of the 43
# patients with all tests, as printed with the example "Comparing Receiver Operating Characteristic Curves" of
# the LOGISTIC procedure in the SAS/STAT guide, whose output the numbers below are.
OVARIAN = np.loadtxt(
    StringIO(
        """
        3.0 5.8 10 0
        3.2 6.3 5 1
        3.9 6.8 3 1
        2.8 4.8 6 0
        3.2 5.8 3 1
        0.9 4.0 5 0
        2.5 5.7 8 0
        1.6 5.6 5 1
        3.8 5.7 5 1
        3.7 6.7 6 1
        3.2 5.4 4 1
        3.8 6.6 6 1
        4.1 6.6 5 1
        3.6 5.7 5 1
        4.3 7.0 4 1
        3.6 6.7 4 0
        2.3 4.4 6 1
        4.2 7.6 4 0
        4.0 6.6 6 0
        3.5 5.8 6 1
        3.8 6.8 7 1
        3.0 4.7 8 0
        4.5 7.4 5 1
        3.7 7.4 5 1
        3.1 6.6 6 1
        4.1 8.2 6 1
        4.3 7.0 5 1
        4.3 6.5 4 1
        3.2 5.1 5 1
        2.6 4.7 6 1
        3.3 6.8 6 0
        1.7 4.0 7 0
        3.7 6.1 5 1
        3.3 6.3 7 1
        4.2 7.7 6 1
        3.5 6.2 5 1
        2.9 5.7 9 0
        2.1 4.8 7 1
        2.8 6.2 8 0
        4.0 7.0 7 1
        3.3 5.7 6 1
        3.7 6.9 5 1
        3.6 6.6 5 1
        """
    )
)
BENEFIT = OVARIAN[:, 3].astype(int)
ALBUMIN, PROTEIN, KG_SCORE = OVARIAN[:, 0], OVARIAN[:, 1], 10 - OVARIAN[:, 2]


def by_definition(label_P: IntLabels, score_PC: FloatScores) -> FloatScores:
    """DeLong et al. 1988, equations 3-5, with its kernel over all pairs."""
    positive, negative = score_PC[label_P == 1], score_PC[label_P == 0]
    psi = (positive[:, None] > negative[None]) + 0.5 * (positive[:, None] == negative[None])
    by_positive, by_negative = psi.mean(axis=1), psi.mean(axis=0)
    return np.asarray(
        np.cov(by_positive, rowvar=False) / len(positive) + np.cov(by_negative, rowvar=False) / len(negative)
    )


def test_the_ovarian_cancer_example_as_sas_prints_it() -> None:
    auc_C, covariance_CC = auc_covariance(BENEFIT, np.stack([KG_SCORE, PROTEIN, ALBUMIN], axis=1))
    assert auc_C == pytest.approx([0.7258, 0.6478, 0.7366], abs=5e-5)
    assert np.sqrt(np.diag(covariance_CC)) == pytest.approx([0.1028, 0.1000, 0.0927], abs=5e-5)
    albumin, protein = paired_test(BENEFIT, ALBUMIN, KG_SCORE), paired_test(BENEFIT, PROTEIN, KG_SCORE)
    printed = [(albumin, 0.0108, -0.1761, 0.1976, 0.9102), (protein, -0.0780, -0.2830, 0.1271, 0.4561)]
    for test, *figures in printed:
        assert (test.difference, test.low, test.high, test.p_value) == pytest.approx(figures, abs=5e-5)


@pytest.mark.parametrize("decimals", [1, 6], ids=["many ties", "few ties"])
def test_the_fast_covariance_matches_the_definition(decimals: int) -> None:
    rng = np.random.default_rng(0)
    label_P = rng.permutation([1] * 46 + [0] * 25)
    score_PC = (rng.standard_normal((71, 5)) + 0.7 * label_P[:, None]).round(decimals)
    auc_C, covariance_CC = auc_covariance(label_P, score_PC)
    assert auc_C == pytest.approx([roc_auc_score(label_P, score_P) for score_P in score_PC.T], abs=1e-12)
    assert covariance_CC == pytest.approx(by_definition(label_P, score_PC), abs=1e-12)


def test_the_interval_is_symmetric_on_the_logit_scale() -> None:
    interval = auc_interval(BENEFIT, KG_SCORE)
    logits = logit([interval.low, interval.estimate, interval.high])
    error = np.sqrt(by_definition(BENEFIT, KG_SCORE[:, None]))
    half_width = norm.ppf(0.975) * error / (interval.estimate * (1 - interval.estimate))
    assert np.diff(logits) == pytest.approx([half_width, half_width], abs=1e-9)


def test_the_interval_covers_the_truth_95_times_in_100() -> None:
    rng = np.random.default_rng(1)
    label_P = np.array([1] * 46 + [0] * 25)
    truth = norm.cdf(1 / np.sqrt(2))
    intervals = [auc_interval(label_P, rng.standard_normal(71) + label_P) for _ in range(400)]
    covered = np.mean([interval.low < truth < interval.high for interval in intervals])
    assert 0.92 < covered < 0.98  # standard error 0.011


def test_a_perfect_score_is_not_certain() -> None:
    label_P = np.array([0, 0, 0, 1, 1])
    perfect, reverse = auc_interval(label_P, 1.0 * label_P), auc_interval(label_P, -1.0 * label_P)
    assert (perfect.estimate, perfect.high) == (1.0, 1.0)
    assert perfect.low == pytest.approx(np.sqrt(0.025))
    assert (reverse.low, reverse.high) == pytest.approx((0.0, 1 - np.sqrt(0.025)))


def test_scores_with_the_same_order_of_patients_do_not_differ() -> None:
    score_P = np.random.default_rng(3).standard_normal(43)
    test = paired_test(BENEFIT, score_P, np.exp(score_P))
    assert (test.difference, test.p_value) == (0.0, 1.0)


def test_equally_good_noisy_scores_differ_in_five_of_a_hundred_studies() -> None:
    rng = np.random.default_rng(4)
    label_P = np.array([1] * 46 + [0] * 25)
    p_values = []
    for _ in range(400):
        shared_P = rng.standard_normal(71) + label_P
        p_values.append(
            paired_test(
                label_P, shared_P + rng.standard_normal(71), shared_P + rng.standard_normal(71)
            ).p_value
        )
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.08


def test_one_patient_of_an_outcome_has_no_variance() -> None:
    with pytest.raises(DataError, match=r"only one of the \d+ scored patients has label 1; "):
        auc_interval(np.array([0, 0, 1]), np.array([0.1, 0.2, 0.3]))


def test_out_of_fold_scores_have_wider_intervals_and_larger_p_values() -> None:
    """Nadeau & Bengio: at five folds the variance is 2.25 times as large, the error 1.5 times."""
    fixed, trained = (auc_interval(BENEFIT, KG_SCORE, num_folds=num) for num in (None, 5))
    widths = [logit(interval.high) - logit(interval.low) for interval in (fixed, trained)]
    assert widths[1] / widths[0] == pytest.approx(1.5)
    narrow, wide = (paired_test(BENEFIT, KG_SCORE, PROTEIN, num_folds=num) for num in (None, 5))
    assert norm.isf(narrow.p_value / 2) / norm.isf(wide.p_value / 2) == pytest.approx(1.5)
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(1.5)
