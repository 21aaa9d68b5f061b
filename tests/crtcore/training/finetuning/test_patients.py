import numpy as np
import pytest
import torch

from crtcore.data.loader import ImageSet, load_images
from crtcore.training.finetuning.patients import PatientBeats, beat_weights, patient_beats, patient_scores
from tests.crtcore.training.tiny_sets import Prepared


@pytest.fixture
def images(prepared: Prepared) -> ImageSet:
    return load_images(prepared.store, prepared.cohort)


def beats_of(images: ImageSet) -> PatientBeats:
    return patient_beats(images, torch.from_numpy(np.array(images.image_NFT)))


def test_rows_become_beats_of_patients(images: ImageSet) -> None:
    beats = beats_of(images)
    assert beats.inputs.shape == (24, 2, 64, 64)
    assert beats.id_P.tolist() == sorted(f"p{number}" for number in range(12))
    for patient, name in enumerate(beats.id_P):
        number = int(name[1:])
        assert beats.label_P[patient] == int(number < 5)
        assert (beats.patient_B == patient).sum() == 1 + number % 3
    rows = np.flatnonzero(images.patient_N == "p7")
    taken = beats.take(beats.beats_of(np.flatnonzero(beats.id_P == "p7")))
    assert np.array_equal(taken.numpy(), images.image_NFT[rows])


def test_activations_have_the_layout_that_convolutions_need(images: ImageSet) -> None:
    activation_NFTD = torch.arange(images.num_images * 2 * 3 * 4.0).reshape(-1, 2, 3, 4)
    taken = patient_beats(images, activation_NFTD).take(np.array([1, 0]))
    assert taken.shape == (4, 4, 2, 3)
    assert taken.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(taken[0], activation_NFTD[2].permute(2, 0, 1))


def test_patients_of_a_class_have_equal_weights_and_so_do_the_classes() -> None:
    patient_B = np.array([0, 0, 0, 1, 3, 3])
    label_P = np.array([1, 1, 0, 0, 1])  # patients 2 and 4 are not trained on
    weight_B = beat_weights(patient_B, label_P)
    total_P = np.bincount(patient_B, weights=weight_B, minlength=5)
    assert total_P == pytest.approx([1.5, 1.5, 0, 3, 0])
    assert weight_B.mean() == pytest.approx(1)


def test_a_patient_s_score_is_the_logistic_function_of_its_mean_logit() -> None:
    logit_B = np.array([1.0, 3.0, -1.0, 7.0], dtype=np.float32)
    patient_B = np.array([4, 4, 2, 0])
    score_P = patient_scores(logit_B, patient_B, np.array([2, 4]))
    assert score_P == pytest.approx([1 / (1 + np.e), 1 / (1 + np.exp(-2))])
