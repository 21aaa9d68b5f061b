"""The permutation test of the whole selection: exact enumeration, calibration under chance, power."""

from functools import partial
from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from crtcore.evaluation.metrics import FloatScores, IntLabels
from crtcore.evaluation.permutation import retrained_selection_test, selection_test

COHORT = np.array([1] * 46 + [0] * 25)


def test_agrees_with_all_seventy_permutations_of_eight_patients() -> None:
    score_PC = np.random.default_rng(0).random((8, 3)).round(1)
    label_P = np.array([1, 1, 0, 1, 0, 0, 1, 0])
    best = []
    for chosen in combinations(range(8), 4):
        permuted_P = np.isin(np.arange(8), chosen).astype(int)
        best.append(max(roc_auc_score(permuted_P, score_P) for score_P in score_PC.T))
    observed = max(roc_auc_score(label_P, score_P) for score_P in score_PC.T)
    ours = selection_test(label_P, score_PC, num_permutations=5_000, seed=1)
    assert ours.best_auc == pytest.approx(observed, abs=1e-12)
    assert ours.p_value == pytest.approx(np.mean(np.array(best) >= observed - 1e-12), abs=0.025)
    assert ours.chance_mean == pytest.approx(np.mean(best), abs=0.005)


def test_chance_is_significant_in_five_of_a_hundred_searches() -> None:
    p_values = [
        selection_test(
            COHORT,
            np.random.default_rng(seed).standard_normal((71, 20)),
            num_permutations=100,
            seed=seed,
        ).p_value
        for seed in range(200)
    ]
    assert 0.01 < np.mean(np.array(p_values) <= 0.05) < 0.10
    assert 0.45 < np.mean(p_values) < 0.55


def test_a_real_configuration_among_a_hundred_is_found_and_a_naive_best_of_070_is_not() -> None:
    score_PC = np.random.default_rng(1).standard_normal((71, 100))
    chance = selection_test(COHORT, score_PC, num_permutations=500, seed=0)
    assert chance.best_auc > 0.65
    assert chance.p_value > 0.05
    score_PC[:, 5] += 1.5 * COHORT
    found = selection_test(COHORT, score_PC, num_permutations=500, seed=0)
    assert found.p_value == 1 / 501
    assert found.chance_mean < found.chance_95 < found.best_auc


def test_within_folds_a_score_that_tells_only_the_folds_apart_says_nothing() -> None:
    fold_P = np.repeat([0, 1], [40, 31])
    label_P = np.concatenate([np.repeat([1, 0], [35, 5]), np.repeat([1, 0], [11, 20])])
    by_fold_PC = (fold_P == 0).astype(float)[:, None]
    assert selection_test(label_P, by_fold_PC, fold_P=fold_P, num_permutations=200, seed=0).p_value == 1.0
    assert selection_test(label_P, by_fold_PC, num_permutations=200, seed=0).p_value < 0.01


def trained_on(feature_PD: FloatScores, label_P: IntLabels) -> FloatScores:
    """Out-of-fold nearest-mean scores in five folds, from the first 1, 2, ... features."""
    score_PC = np.empty(feature_PD.shape)
    for fold in range(5):
        test_P = np.arange(len(label_P)) % 5 == fold
        means = [feature_PD[~test_P & (label_P == label)].mean(axis=0) for label in (1, 0)]
        score_PC[test_P] = np.cumsum(feature_PD[test_P] * (means[0] - means[1]), axis=1)
    return score_PC


def test_retraining_keeps_its_level_where_training_makes_scores_depend_on_outcomes() -> None:
    p_values = []
    for seed in range(80):
        feature_PD = np.random.default_rng(seed).standard_normal((71, 3))
        label_P = np.random.default_rng([seed, 1]).permutation(COHORT)
        search = partial(trained_on, feature_PD)
        p_values.append(retrained_selection_test(label_P, search, num_permutations=19, seed=seed).p_value)
    assert 0.0 < np.mean(np.array(p_values) <= 0.05) < 0.13
    assert 0.42 < np.mean(p_values) < 0.63  # 0.525 expected, standard error 0.032


def test_retraining_finds_what_is_there() -> None:
    feature_PD = np.random.default_rng(0).standard_normal((71, 3)) + COHORT[:, None]
    test = retrained_selection_test(COHORT, partial(trained_on, feature_PD), num_permutations=49, seed=0)
    assert test.p_value == 1 / 50
    assert test.best_auc > 0.75 > test.chance_95
