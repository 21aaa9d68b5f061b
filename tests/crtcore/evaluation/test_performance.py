"""The metrics of a model against the functions that compute them."""

import numpy as np
import pytest

from crtcore.evaluation.delong import auc_interval
from crtcore.evaluation.metrics import auc, classification
from crtcore.evaluation.performance import CLASSIFICATION, beat_performance, performance
from crtcore.evaluation.thresholds import fold_thresholds

LABELS = np.array([1] * 18 + [0] * 12)
FOLDS = np.stack([np.arange(30) % 3, np.arange(30) // 2 % 3])


def scores(seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    noise_RP = np.random.default_rng(seed).random((2, 30))
    return 0.7 * noise_RP + 0.3 * LABELS


def test_metrics_over_folds_and_pooled_match_their_functions() -> None:
    score_RP = scores(0)
    found = performance(LABELS, score_RP, FOLDS, seed=1)
    aucs = [
        auc(LABELS[fold_P == fold], score_P[fold_P == fold])
        for score_P, fold_P in zip(score_RP, FOLDS, strict=True)
        for fold in range(3)
    ]
    assert found.over_folds["auc"].mean == pytest.approx(np.mean(aucs), abs=1e-12)
    assert found.over_folds["auc"].sd == pytest.approx(np.std(aucs), abs=1e-12)
    score_P = score_RP.mean(axis=0)
    assert found.pooled["auc"] == auc_interval(LABELS, score_P, num_folds=3)
    expected = classification(LABELS, score_P, fold_thresholds(LABELS, score_P, FOLDS[0]))
    for name in CLASSIFICATION:
        assert found.pooled[name].estimate == pytest.approx(expected[name], abs=1e-12)
        assert found.pooled[name].low <= expected[name] <= found.pooled[name].high
    assert found.pooled["brier"].estimate == pytest.approx(((score_P - LABELS) ** 2).mean(), abs=1e-12)


def test_a_perfect_score_has_perfect_metrics_and_no_calibration_slope() -> None:
    found = performance(LABELS, np.tile(0.1 + 0.8 * LABELS, (2, 1)), FOLDS, seed=1)
    assert found.over_folds["balanced_accuracy"].mean == 1.0
    assert found.pooled["sensitivity"].low == 1.0
    assert found.calibration is None


def test_beats_are_counted_one_by_one() -> None:
    """The first ten patients have two beats and the others one, so metrics by beat and by patient differ."""
    patient_B = np.concatenate([np.arange(10).repeat(2), np.arange(10, 30)])
    score_RB = np.random.default_rng(3).random((2, len(patient_B)))
    found = beat_performance(LABELS[patient_B], score_RB, FOLDS[:, patient_B])
    expected = [
        classification(
            LABELS[patient_B][inside_B],
            score_B[inside_B],
            fold_thresholds(LABELS[patient_B], score_B, fold_B)[inside_B],
        )["accuracy"]
        for score_B, fold_B in zip(score_RB, FOLDS[:, patient_B], strict=True)
        for inside_B in (fold_B == fold for fold in range(3))
    ]
    assert found["accuracy"].mean == pytest.approx(np.mean(expected), abs=1e-12)
    assert found["accuracy"].sd == pytest.approx(np.std(expected), abs=1e-12)
