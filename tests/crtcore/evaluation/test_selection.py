"""BBC-CV on noise, on a real difference, and with one configuration."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from crtcore.errors import DataError
from crtcore.evaluation.delong import auc_interval
from crtcore.evaluation.metrics import auc
from crtcore.evaluation.selection import bbc_cv

COHORT = np.array([1] * 46 + [0] * 25)


def test_two_hundred_coin_tosses_look_like_an_auc_of_070_and_are_corrected_to_050() -> None:
    studies = [
        bbc_cv(COHORT, np.random.default_rng(seed).standard_normal((71, 200)), num_draws=150, seed=seed)
        for seed in range(16)
    ]
    naive = np.mean([study.naive for study in studies])
    estimate = np.mean([study.estimate for study in studies])
    assert 0.67 < naive < 0.73
    assert 0.46 < estimate < 0.54  # standard error of 16 studies: 0.010
    assert all(study.low < study.estimate < study.high < study.naive + 0.25 for study in studies)
    covered = sum(study.low < 0.5 < study.high for study in studies)
    assert covered >= 13  # of 16; with a coverage of 0.95, fewer happen for one seed in 140


def test_one_good_configuration_among_noise_is_barely_corrected() -> None:
    rng = np.random.default_rng(0)
    score_PC = rng.standard_normal((71, 20))
    score_PC[:, 7] += 3.0 * COHORT
    study = bbc_cv(COHORT, score_PC, seed=0)
    assert study.naive == auc(COHORT, score_PC[:, 7])
    assert study.estimate == pytest.approx(study.naive, abs=1e-3)


def test_one_configuration_has_its_auc_and_delongs_interval() -> None:
    score_P = (np.random.default_rng(2).standard_normal(71) + 0.8 * COHORT).round(1)
    study, expected = bbc_cv(COHORT, score_P[:, None], num_draws=500, seed=0), auc_interval(COHORT, score_P)
    assert study.estimate == pytest.approx(roc_auc_score(COHORT, score_P), abs=1e-12)
    assert (study.low, study.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_folds_widen_the_interval_and_do_not_change_the_estimate() -> None:
    score_PC = np.random.default_rng(5).standard_normal((71, 4)) + 0.8 * COHORT[:, None]
    fixed, trained = (bbc_cv(COHORT, score_PC, num_folds=num, num_draws=200, seed=0) for num in (None, 5))
    assert trained.estimate == fixed.estimate
    assert trained.standard_error == pytest.approx(1.5 * fixed.standard_error)
    assert trained.low < fixed.low < fixed.high < trained.high


def test_copies_of_a_configuration_change_nothing() -> None:
    score_P = np.random.default_rng(4).standard_normal(71) + 0.5 * COHORT
    single, copies = (
        bbc_cv(COHORT, np.tile(score_P[:, None], (1, num)), num_draws=300, seed=0) for num in (1, 50)
    )
    assert copies.estimate == single.estimate == copies.naive
    assert copies.standard_error == pytest.approx(single.standard_error, abs=1e-12)


def test_perfect_scores_have_an_interval_too() -> None:
    study = bbc_cv(COHORT, 1.0 * COHORT[:, None], num_draws=200, seed=0)
    assert (study.estimate, study.high) == (1.0, 1.0)
    assert study.low == pytest.approx(0.025 ** (1 / 25))


def test_the_draws_depend_on_the_seed_only() -> None:
    score_PC = np.random.default_rng(1).standard_normal((71, 5))
    first, again, other = (bbc_cv(COHORT, score_PC, num_draws=200, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_order_of_patients_does_not_change_the_naive_auc_and_hardly_the_estimate() -> None:
    rng = np.random.default_rng(6)
    score_PC, order = rng.standard_normal((71, 10)) + 0.4 * COHORT[:, None], rng.permutation(71)
    study = bbc_cv(COHORT, score_PC, num_draws=2000, seed=0)
    shuffled = bbc_cv(COHORT[order], score_PC[order], num_draws=2000, seed=0)
    assert study.naive == shuffled.naive
    assert study.estimate == pytest.approx(shuffled.estimate, abs=0.01)


def test_two_patients_of_each_outcome_are_enough() -> None:
    study = bbc_cv(np.array([0, 0, 1, 1]), np.random.default_rng(0).random((4, 3)), seed=0)
    assert 0 <= study.low <= study.estimate <= study.high <= 1


@pytest.mark.parametrize("rare", [0, 1])
def test_a_single_patient_of_an_outcome_is_refused(rare: int) -> None:
    label_P = np.array([rare, 1 - rare, 1 - rare, 1 - rare])
    with pytest.raises(DataError, match=f"only one of the cohort's 4 patients has label {rare}; "):
        bbc_cv(label_P, np.random.default_rng(0).random((4, 3)), seed=0)
