"""AUCs of bootstrap draws against scikit-learn with sample weights."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from crtcore.evaluation.draws import Draws, FoldMean, draw_patients

LABELS = np.array([0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 0])


def weights(draws: Draws, number: int) -> np.ndarray:
    weight_P = np.zeros(len(LABELS))
    weight_P[LABELS == 1] = draws.positive_BP[number]
    weight_P[LABELS == 0] = draws.negative_BP[number]
    return weight_P


def test_each_draw_has_as_many_patients_of_each_outcome_as_the_cohort() -> None:
    draws = draw_patients(LABELS, 50, np.random.default_rng(0))
    assert (draws.positive_BP.sum(axis=1) == 7).all()
    assert (draws.negative_BP.sum(axis=1) == 5).all()
    assert len(draws) == 50


def test_the_aucs_of_a_draw_are_those_of_its_patients() -> None:
    rng = np.random.default_rng(1)
    draws = draw_patients(LABELS, 20, rng)
    score_PC = rng.random((12, 3)).round(1)
    expected = [
        [roc_auc_score(LABELS, score_P, sample_weight=weights(draws, number)) for score_P in score_PC.T]
        for number in range(20)
    ]
    assert draws.aucs(score_PC) == pytest.approx(np.array(expected))


def test_the_fold_mean_leaves_out_folds_without_a_drawn_pair() -> None:
    rng = np.random.default_rng(2)
    draws = draw_patients(LABELS, 40, rng)
    fold_RP = np.stack([np.arange(12) % 3, np.arange(12) // 4])
    score_RP = rng.random((2, 12)).round(1)
    found_B = FoldMean(draws, fold_RP)(score_RP)
    num_left_out = 0
    for number in range(40):
        weight_P, aucs = weights(draws, number), []
        for fold_P, score_P in zip(fold_RP, score_RP, strict=True):
            for fold in range(3):
                inside = (fold_P == fold) & (weight_P > 0)
                if len(np.unique(LABELS[inside])) == 2:
                    aucs.append(
                        roc_auc_score(LABELS[inside], score_P[inside], sample_weight=weight_P[inside])
                    )
        num_left_out += len(aucs) < 6
        assert found_B[number] == pytest.approx(np.mean(aucs))
    assert num_left_out > 5


def test_a_draw_without_any_pair_in_a_fold_has_the_value_one_half() -> None:
    draws = Draws(
        label_P=np.array([1, 0, 1, 0]), positive_BP=np.array([[2.0, 0.0]]), negative_BP=np.array([[0.0, 2.0]])
    )
    assert FoldMean(draws, np.array([[0, 0, 1, 1]]))(np.array([[0.9, 0.1, 0.8, 0.2]])).tolist() == [0.5]
