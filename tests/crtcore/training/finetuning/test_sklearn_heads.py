from typing import Any

import numpy as np
import pytest
import torch

from crtcore.data.splits import Fold
from crtcore.errors import DataError
from crtcore.evaluation.classifiers import CLASSIFIERS
from crtcore.evaluation.metrics import auc
from crtcore.training.finetuning.patients import PatientBeats
from crtcore.training.finetuning.sklearn_heads import fold_scores, patient_votes
from tests.crtcore.training.tiny_sets import experiment_with

NUM_PATIENTS = 60
FOLD = Fold(train_P=np.arange(40), test_P=np.arange(40, NUM_PATIENTS))


def cohort(*, balanced: bool = True) -> PatientBeats:
    """Patients with one to three beats; label 1 lies on a ring around label 0 in the first two features."""
    rng = np.random.default_rng(0)
    label_P = np.arange(NUM_PATIENTS) % 2 if balanced else (np.arange(NUM_PATIENTS) % 4 == 0).astype(int)
    angle_P = rng.uniform(0, 2 * np.pi, NUM_PATIENTS)
    radius_P = np.where(label_P == 1, 3.0, 0.5)
    point_PD = np.stack([radius_P * np.cos(angle_P), radius_P * np.sin(angle_P)], axis=1)
    patient_B = np.repeat(np.arange(NUM_PATIENTS), np.arange(NUM_PATIENTS) % 3 + 1)
    inputs = np.repeat(point_PD[patient_B][:, None], 2, axis=1)
    inputs = inputs + rng.normal(0, 0.2, inputs.shape)
    return PatientBeats(
        inputs=torch.from_numpy(inputs.astype(np.float32)),
        scalar_BCE=torch.empty(len(patient_B), 2, 0),
        patient_B=patient_B,
        id_P=np.array([f"p{number:02}" for number in range(NUM_PATIENTS)]),
        label_P=label_P,
    )


def scores(head: str, beats: PatientBeats, **finetune: Any) -> np.ndarray:
    config = experiment_with(head=head, **finetune).finetune
    return fold_scores(patient_votes(beats, config), beats, FOLD, config, seed=1)


@pytest.mark.parametrize("head", sorted(CLASSIFIERS))
@pytest.mark.parametrize("lead_fusion", ["concatenate", "mean", "mean_prediction"])
def test_nonlinear_heads_separate_a_ring_and_a_linear_one_cannot(head: str, lead_fusion: str) -> None:
    beats = cohort()
    score_P = scores(head, beats, lead_fusion=lead_fusion)
    assert score_P.shape == (20,)
    assert ((score_P >= 0) & (score_P <= 1)).all()
    area = auc(beats.label_P[FOLD.test_P], score_P)
    assert area < 0.8 if head == "logistic_regression" else area > 0.95


def test_votes_are_means_over_a_patient_s_beats() -> None:
    beats = cohort()
    config = experiment_with(head="svm", lead_fusion="mean_prediction").finetune
    votes = patient_votes(beats, config)
    assert votes.shape == (NUM_PATIENTS, 2, 2)
    np.testing.assert_allclose(votes[2], beats.inputs[beats.patient_B == 2].mean(dim=0), rtol=1e-5)
    fused = patient_votes(beats, experiment_with(head="svm").finetune)
    assert fused.shape == (NUM_PATIENTS, 1, 4)


def test_class_weights_raise_the_scores_of_the_rarer_class() -> None:
    beats = cohort(balanced=False)
    weighted = scores("logistic_regression", beats)
    plain = scores("logistic_regression", beats, class_weights="none")
    assert weighted.mean() > plain.mean() + 0.1


def test_the_same_seed_grows_the_same_forest() -> None:
    assert np.array_equal(scores("random_forest", cohort()), scores("random_forest", cohort()))


def test_a_patient_on_both_sides_is_refused() -> None:
    beats = cohort()
    config = experiment_with(head="svm").finetune
    leaking = Fold(train_P=np.arange(41), test_P=np.arange(40, 60))
    with pytest.raises(DataError, match="patient p40 is on both sides"):
        fold_scores(patient_votes(beats, config), beats, leaking, config, seed=1)
