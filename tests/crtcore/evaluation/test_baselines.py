"""Plain models in given folds: patients are scored by models that did not train on them."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from crtcore.evaluation.baselines import LOGISTIC_REGRESSION, MODELS, SVM, cross_validated_scores
from crtcore.evaluation.metrics import auc

COHORT = np.array([1] * 24 + [0] * 16)
FOLDS_RP = np.stack([np.random.default_rng(repeat).permutation(np.arange(40) % 3) for repeat in range(2)])


@pytest.mark.parametrize("model", MODELS)
def test_a_signal_is_found_and_the_same_seed_gives_the_same_scores(model: str) -> None:
    feature_PD = np.random.default_rng(0).standard_normal((40, 3))
    feature_PD[:, 1] += 3 * COHORT
    scores = [cross_validated_scores(feature_PD, COHORT, FOLDS_RP[:1], model, seed=1) for _ in range(2)]
    assert auc(COHORT, scores[0]) > 0.9
    assert (scores[0] == scores[1]).all()
    assert ((scores[0] > 0) & (scores[0] < 1) | np.isin(scores[0], (0, 1))).all()


def test_logistic_regression_fold_by_fold() -> None:
    rng = np.random.default_rng(1)
    feature_PD = rng.standard_normal((40, 2)) + COHORT[:, None]
    feature_PD[rng.random((40, 2)) < 0.2] = np.nan
    expected_RP = np.empty((2, 40))
    for repeat, fold_P in enumerate(FOLDS_RP):
        for fold in range(3):
            train, test = feature_PD[fold_P != fold], feature_PD[fold_P == fold]
            median = np.nanmedian(train, axis=0)
            train, test = (np.where(np.isnan(part), median, part) for part in (train, test))
            mean, sd = train.mean(axis=0), train.std(axis=0)
            fitted = LogisticRegression(max_iter=5000).fit((train - mean) / sd, COHORT[fold_P != fold])
            expected_RP[repeat, fold_P == fold] = fitted.predict_proba((test - mean) / sd)[:, 1]
    ours = cross_validated_scores(feature_PD, COHORT, FOLDS_RP, LOGISTIC_REGRESSION, seed=0)
    assert ours == pytest.approx(expected_RP.mean(axis=0), abs=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_a_patients_own_outcome_has_no_effect_on_the_score(model: str) -> None:
    feature_PD = np.random.default_rng(2).standard_normal((40, 4))
    changed_P = COHORT.copy()
    changed_P[5] = 1 - changed_P[5]
    before, after = (
        cross_validated_scores(feature_PD, label_P, FOLDS_RP[:1], model, seed=0)
        for label_P in (COHORT, changed_P)
    )
    same_fold = FOLDS_RP[0] == FOLDS_RP[0, 5]
    assert (before[same_fold] == after[same_fold]).all()
    assert (before[~same_fold] != after[~same_fold]).any()


def test_more_features_than_patients_and_a_column_empty_in_training() -> None:
    feature_PD = np.random.default_rng(3).standard_normal((40, 300))
    feature_PD[FOLDS_RP[0] != 0, 7] = np.nan
    score_P = cross_validated_scores(feature_PD, COHORT, FOLDS_RP[:1], SVM, seed=0)
    assert np.isfinite(score_P).all()
