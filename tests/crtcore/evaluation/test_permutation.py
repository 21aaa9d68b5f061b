"""The permutation test of the whole selection: exact enumeration, calibration under chance, power."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from crtcore.evaluation.permutation import selection_test

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
