from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from crtcore.data.splits import Fold
from crtcore.errors import DataError
from crtcore.training.finetuning.cross_validation import initial_features
from crtcore.training.finetuning.fold_training import FoldTraining
from crtcore.training.finetuning.patients import PatientBeats
from crtcore.training.finetuning.stacked_heads import StackedHeads
from tests.crtcore.training.tiny_sets import experiment_with

FOLDS = (
    Fold(train_P=np.arange(0, 8), test_P=np.arange(8, 12)),
    Fold(train_P=np.arange(4, 12), test_P=np.arange(0, 4)),
    Fold(train_P=np.r_[0:4, 8:12], test_P=np.arange(4, 8)),
)


def cohort(num_beats: int = 3) -> PatientBeats:
    """12 patients with positive features of different scales, two leads, and one scalar per lead."""
    generator = torch.Generator().manual_seed(0)
    patient_B = np.repeat(np.arange(12), [num_beats + number % 2 for number in range(12)])
    label_P = np.arange(12) % 2
    scale_D = torch.logspace(-1, 1, 16)
    inputs = (torch.randn(len(patient_B), 2, 16, generator=generator) + 5) * scale_D
    inputs[:, :, 3] += torch.from_numpy(label_P[patient_B])[:, None] * 0.3
    return PatientBeats(
        inputs=inputs,
        scalar_BCE=torch.randn(len(patient_B), 2, 1, generator=generator),
        patient_B=patient_B,
        id_P=np.array([f"p{number:02}" for number in range(12)]),
        label_P=label_P,
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"lead_fusion": "mean"},
        {"lead_fusion": "mean_prediction"},
        {"class_weights": "none", "batch_size": 30},
    ],
)
def test_all_folds_together_train_like_one_fold_after_another(settings: dict[str, Any]) -> None:
    config = experiment_with(epochs=4, learning_rate=0.01, **settings).finetune
    beats = cohort()
    stacked = StackedHeads(beats, FOLDS, config)
    features_BCD = initial_features(nn.Sequential(), beats)
    apart = [FoldTraining(nn.Sequential(), features_BCD, beats, fold, config) for fold in FOLDS]
    for epoch in range(1, 5):
        seeds = [10 * epoch + number for number in range(3)]
        losses = stacked.run_epoch(epoch, seeds)
        expected = [run.run_epoch(epoch, seed) for run, seed in zip(apart, seeds, strict=True)]
        assert losses == pytest.approx(expected, rel=1e-3)
    assert stacked.num_train_images == sum(run.num_train_images for run in apart)
    moved = 0.0
    for (logit_B, patient_B), run in zip(stacked.test_logits(), apart, strict=True):
        expected_B, expected_patient_B = run.test_logits()
        assert np.array_equal(patient_B, expected_patient_B)
        np.testing.assert_allclose(logit_B, expected_B, rtol=1e-3, atol=1e-4)
        moved = max(moved, float(np.abs(expected_B).max()))
    assert moved > 0.1


def test_test_patients_have_no_effect_on_the_head_of_their_fold() -> None:
    config = experiment_with(epochs=2).finetune
    beats = cohort()
    changed = cohort()
    changed.inputs[np.isin(changed.patient_B, FOLDS[0].test_P)] += 100
    weights = []
    for of in (beats, changed):
        stacked = StackedHeads(of, FOLDS, config)
        stacked.run_epoch(1, [1, 2, 3])
        weights.append(stacked.weight_RD.detach())
    # The shift common to all folds comes from all patients, and cancels up to rounding.
    torch.testing.assert_close(weights[0][0], weights[1][0], rtol=1e-2, atol=1e-5)
    assert not torch.allclose(weights[0][1], weights[1][1], rtol=1e-2, atol=1e-5)


def test_folds_of_unequal_size_take_the_same_number_of_steps() -> None:
    folds = (FOLDS[0], Fold(train_P=np.array([0, 1]), test_P=np.array([2, 3])))
    stacked = StackedHeads(cohort(), folds, experiment_with(epochs=1, batch_size=2).finetune)
    losses = stacked.run_epoch(1, [1, 2])
    assert all(0 < loss < 2 for loss in losses)
    assert bool(torch.isfinite(stacked.weight_RD).all())


def test_a_patient_on_both_sides_is_refused() -> None:
    leaking = Fold(train_P=np.array([0, 1, 2, 3]), test_P=np.array([3, 4]))
    with pytest.raises(DataError, match="patient p03 is on both sides"):
        StackedHeads(cohort(), (leaking,), experiment_with().finetune)
