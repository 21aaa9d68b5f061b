import numpy as np
import pytest
import torch

from crtcore.data.splits import cohort_folds
from crtcore.evaluation.metrics import auc
from crtcore.training.finetuning.cross_validation import fold_metric, numbered_folds, record_scores, unscored
from crtcore.training.finetuning.patients import PatientBeats


def beats_of(patient_B: np.ndarray, label_P: np.ndarray) -> PatientBeats:
    return PatientBeats(
        inputs=torch.empty(len(patient_B), 1, 1),
        scalar_BCE=torch.empty(len(patient_B), 1, 0),
        patient_B=patient_B,
        id_P=np.array([f"p{number:03}" for number in range(len(label_P))]),
        label_P=label_P,
    )


def test_no_beat_of_a_test_patient_is_trained_on_in_10_000_random_cohorts() -> None:
    rng = np.random.default_rng(0)
    for seed in range(10_000):
        label_P = rng.permutation(np.repeat([0, 1], rng.integers(2, 8, size=2)))
        num_beats_P = rng.integers(1, 4, len(label_P))
        beats = beats_of(rng.permutation(np.repeat(np.arange(len(label_P)), num_beats_P)), label_P)
        num_folds = int(rng.integers(2, min(np.bincount(label_P)) + 1))
        (folds,) = cohort_folds(
            beats.id_P, label_P, given=None, num_folds=num_folds, num_repeats=1, seed=seed
        )
        scored_P = np.zeros(len(label_P), dtype=np.int64)
        for fold in folds:
            train, test = beats.beats_of(fold.train_P), beats.beats_of(fold.test_P)
            assert not np.isin(beats.patient_B[train], beats.patient_B[test]).any()
            assert len(train) + len(test) == len(beats.patient_B)
            scored_P[fold.test_P] += 1
        assert (scored_P == 1).all()


def test_scores_are_written_where_their_patients_are() -> None:
    label_P = np.arange(12) % 2
    beats = beats_of(np.arange(12), label_P)
    folds = cohort_folds(beats.id_P, label_P, given=None, num_folds=3, num_repeats=2, seed=0)
    out_of_fold = unscored(beats, folds, scores_beats=False)
    assert np.isnan(out_of_fold.score_RP).all()
    assert out_of_fold.score_RB is None
    truth_RP = np.random.default_rng(0).random((2, 12))
    each = [(repeat, fold) for repeat, dealt in enumerate(folds) for fold in dealt]
    scores = [truth_RP[repeat, fold.test_P] for repeat, fold in each]
    metrics = record_scores(out_of_fold, numbered_folds(folds), scores)
    assert np.array_equal(out_of_fold.score_RP, truth_RP)
    aucs = [auc(label_P[fold.test_P], truth_RP[repeat, fold.test_P]) for repeat, fold in each]
    places = [(repeat, number) for repeat in range(2) for number in range(3)]
    assert metrics == {
        "auc": pytest.approx(np.mean(aucs)),
        "auc_sd": pytest.approx(np.std(aucs)),
        **{fold_metric(*place): value for place, value in zip(places, aucs, strict=True)},
    }
    for repeat, dealt in enumerate(folds):
        for number, fold in enumerate(dealt):
            assert (out_of_fold.fold_RP[repeat, fold.test_P] == number).all()


def test_beats_without_a_score_yet_are_nan() -> None:
    beats = beats_of(np.array([0, 0, 1, 2, 3]), np.array([0, 1, 0, 1]))
    folds = cohort_folds(beats.id_P, beats.label_P, given=None, num_folds=2, num_repeats=3, seed=0)
    out_of_fold = unscored(beats, folds, scores_beats=True)
    assert out_of_fold.score_RB is not None
    assert out_of_fold.score_RB.shape == (3, 5)
    assert np.isnan(out_of_fold.score_RB).all()
    np.testing.assert_array_equal(out_of_fold.folds_of_beats(), out_of_fold.fold_RP[:, beats.patient_B])
