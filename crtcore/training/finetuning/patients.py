"""Beats and their patients: the network's inputs, the weight of a beat in training, the score of a patient.

Legend: B beats, C leads, P patients, E scalars added to the features of a lead.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from torch import Tensor

from crtcore.data.loader import ImageSet
from crtcore.signal.recording import FloatArray, IntArray, StrArray

LOWEST_AMPLITUDE_MV: Final = 1e-3  # a flat lead has amplitude 0, whose logarithm is infinite


@dataclass(frozen=True, kw_only=True)
class PatientBeats:
    """The cohort for training.

    `patient_B` is the patient of each beat; patients are in the order of their ids.

    `inputs` has shape (beats, leads, ...): uint8 images (..., F, T), activations (..., F, T, D), activations
    of a 1-D network (..., T, D), or features (..., D). `scalar_BCE` is added to the features of each lead. It
    is often empty (E = 0), and it is on the device that computes.
    """

    inputs: Tensor
    scalar_BCE: Tensor
    patient_B: IntArray
    id_P: StrArray
    label_P: IntArray

    @property
    def num_leads(self) -> int:
        return int(self.inputs.shape[1])

    @property
    def device(self) -> torch.device:
        return self.scalar_BCE.device

    def take(self, beat_B: IntArray) -> Tensor:
        """The inputs of some beats, one row per beat and lead, in the layout that the body takes."""
        index_B = torch.from_numpy(beat_B).to(self.inputs.device)
        chosen = self.inputs[index_B].flatten(0, 1).to(self.device)
        # Images have no channel axis; activations have it last.
        return chosen if chosen.dtype == torch.uint8 or chosen.ndim == 2 else chosen.movedim(-1, 1)

    def scalars(self, beat_B: IntArray) -> Tensor:
        """The scalars of some beats, shape (beats, leads, E)."""
        return self.scalar_BCE[torch.from_numpy(beat_B).to(self.device)]

    def beats_of(self, patients: IntArray) -> IntArray:
        """The beats of some patients, ascending."""
        return np.flatnonzero(np.isin(self.patient_B, patients))


def patient_beats(
    images: ImageSet, inputs: Tensor, *, device: torch.device | None = None, amplitude: bool = False
) -> PatientBeats:
    """Group the rows of `images` into beats and patients. `inputs` has one row for each row of `images`.

    Batches are moved to `device`, by default the device of `inputs` (large inputs may stay on the CPU). With
    `amplitude`, the logarithm of the beat's peak-to-peak amplitude in mV is a scalar of each lead: images do
    not hold it.
    """
    num_leads = len(images.leads)
    assert len(inputs) == images.num_images
    assert np.array_equal(images.lead_N, np.tile(np.arange(num_leads), images.num_beats)), "not beat-major"
    first_of_beat = slice(None, None, num_leads)
    id_P, first_P, patient_B = np.unique(
        images.patient_N[first_of_beat], return_index=True, return_inverse=True
    )
    scalar_NE = np.log(np.maximum(images.amplitude_mv_N, LOWEST_AMPLITUDE_MV))[:, None]
    scalar_BCE = torch.from_numpy(scalar_NE.astype(np.float32)).reshape(-1, num_leads, 1)
    return PatientBeats(
        inputs=inputs.reshape(-1, num_leads, *inputs.shape[1:]),
        scalar_BCE=scalar_BCE[:, :, : int(amplitude)].to(device or inputs.device),
        patient_B=patient_B.astype(np.int64),
        id_P=id_P,
        label_P=images.label_N[first_of_beat][first_P],
    )


def mean_by_patient(
    value_BD: npt.NDArray[np.floating], patient_B: IntArray, num_patients: int
) -> npt.NDArray[np.float64]:
    """The mean of each patient's beats, shape (patients, ...). Each patient must have a beat."""
    total_PD = np.zeros((num_patients, *value_BD.shape[1:]))
    np.add.at(total_PD, patient_B, value_BD)
    num_beats_P = np.bincount(patient_B, minlength=num_patients)
    return np.asarray(total_PD / num_beats_P.reshape(-1, *[1] * (value_BD.ndim - 1)))


def beat_weights(patient_B: IntArray, label_P: IntArray, *, balanced: bool = True) -> FloatArray:
    """The weight of each training beat, shape (beats,), with mean 1.

    All patients of a class have the same weight; with `balanced`, both classes have it too. A recording with
    more beats must not count more: in ten seconds, the number of beats is the heart rate, which by itself
    predicts the outcome. `label_P` is indexed by `patient_B`. Both classes must occur.
    """
    num_beats_P = np.bincount(patient_B, minlength=len(label_P))
    in_training_P = num_beats_P > 0
    num_patients_K = np.bincount(label_P[in_training_P], minlength=2) if balanced else np.ones(2)
    weight_B = 1 / (num_beats_P[patient_B] * num_patients_K[label_P[patient_B]])
    return np.asarray(weight_B / weight_B.mean(), dtype=np.float32)


def patient_scores(logit_B: FloatArray, patient_B: IntArray, patients: IntArray) -> npt.NDArray[np.float64]:
    """The probability of label 1 for each of `patients`: the logistic function of its beats' mean logit."""
    num_patients = int(patients.max()) + 1
    total_P = np.bincount(patient_B, weights=logit_B, minlength=num_patients)
    num_beats_P = np.bincount(patient_B, minlength=num_patients)
    score_P: npt.NDArray[np.float64] = expit(total_P[patients] / num_beats_P[patients])
    return score_P
