"""Our metrics against scikit-learn's, and inputs for which a metric is undefined."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    brier_score_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

from crtcore.errors import DataError
from crtcore.evaluation.metrics import MeanSd, auc, auc_rows, brier, classification, over_folds

LABELS = np.array([0] * 25 + [1] * 46)


@pytest.mark.parametrize(
    "decimals", [None, 2, 1, 0], ids=["untied", "few ties", "many ties", "nearly all tied"]
)
@pytest.mark.parametrize("seed", range(5))
def test_auc_agrees_with_scikit_learn(decimals: int | None, seed: int) -> None:
    rng = np.random.default_rng(seed)
    label_P = rng.permutation(LABELS)
    score_P = rng.random(len(label_P)) + 0.2 * label_P
    if decimals is not None:
        score_P = score_P.round(decimals)
    assert auc(label_P, score_P) == pytest.approx(roc_auc_score(label_P, score_P), abs=1e-12)


def test_auc_of_float32_scores_equals_that_of_the_same_scores_in_float64() -> None:
    score_P = np.random.default_rng(0).random(len(LABELS), dtype=np.float32)
    assert auc(LABELS, score_P) == auc(LABELS, score_P.astype(np.float64))


def test_auc_of_perfect_reversed_and_constant_scores() -> None:
    label_P = np.array([0, 0, 1, 1])
    assert auc(label_P, np.array([0.1, 0.2, 0.8, 0.9])) == 1.0
    assert auc(label_P, np.array([0.9, 0.8, 0.2, 0.1])) == 0.0
    assert auc(label_P, np.full(4, 0.3)) == 0.5


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_classification_agrees_with_scikit_learn(threshold: float) -> None:
    score_P = np.random.default_rng(1).random(len(LABELS)).round(1)
    predicted_P = score_P >= threshold
    assert classification(LABELS, score_P, threshold) == pytest.approx(
        {
            "accuracy": accuracy_score(LABELS, predicted_P),
            "balanced_accuracy": balanced_accuracy_score(LABELS, predicted_P),
            "sensitivity": recall_score(LABELS, predicted_P),
            "specificity": recall_score(LABELS, predicted_P, pos_label=0),
            "ppv": precision_score(LABELS, predicted_P),
            "npv": precision_score(LABELS, predicted_P, pos_label=0),
        },
        abs=1e-12,
    )


def test_each_patient_can_have_a_threshold() -> None:
    label_P, score_P = np.array([0, 0, 1, 1]), np.array([0.3, 0.3, 0.3, 0.3])
    figures = classification(label_P, score_P, np.array([0.5, 0.1, 0.1, 0.5]))
    assert (figures["sensitivity"], figures["specificity"], figures["ppv"]) == (0.5, 0.5, 0.5)


def test_predictive_values_without_patients_are_nan() -> None:
    label_P, score_P = np.array([0, 1]), np.array([0.2, 0.3])
    assert np.isnan(classification(label_P, score_P, 0.9)["ppv"])
    assert np.isnan(classification(label_P, score_P, 0.1)["npv"])


def test_brier_agrees_with_scikit_learn() -> None:
    probability_P = np.random.default_rng(2).random(len(LABELS))
    assert brier(LABELS, probability_P) == pytest.approx(brier_score_loss(LABELS, probability_P), abs=1e-12)


def test_auc_of_many_rows_at_once_is_the_auc_of_each() -> None:
    rng = np.random.default_rng(3)
    label_BP, score_BP = rng.permuted(np.tile(LABELS, (7, 1)), axis=1), rng.random((7, 71)).round(1)
    each = [roc_auc_score(label_P, score_P) for label_P, score_P in zip(label_BP, score_BP, strict=True)]
    assert auc_rows(label_BP, score_BP) == pytest.approx(each, abs=1e-12)
    label_BP[2] = 1
    assert np.isnan(auc_rows(label_BP, score_BP)).tolist() == [False, False, True] + 4 * [False]


def test_mean_and_sd_over_folds() -> None:
    (figure,) = over_folds([{"auc": 0.25}, {"auc": 0.75}]).values()
    assert figure == MeanSd(mean=0.5, sd=0.25)


def test_a_score_on_the_threshold_predicts_the_outcome() -> None:
    assert classification(np.array([0, 1]), np.array([0.4, 0.5]))["sensitivity"] == 1.0


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_auc_and_no_sensitivity(label: int) -> None:
    label_P = np.full(3, label)
    for metric in (auc, classification):
        with pytest.raises(DataError, match=f"none of the 3 scored patients has label {1 - label}"):
            metric(label_P, np.array([0.1, 0.2, 0.3]))


def test_a_score_that_is_not_finite_fails_an_assertion() -> None:
    with pytest.raises(AssertionError, match="not finite"):
        auc(np.array([0, 1]), np.array([0.5, np.nan]))
