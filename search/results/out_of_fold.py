"""The out-of-fold predictions of all trials of a sweep, aligned: the same patients in the same folds.

Legend: P patients, R repeats, C configurations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crtcore.data.manifest import Patient
from crtcore.errors import SweepError
from crtcore.signal.recording import IntArray
from crtcore.stages.store import StageStore
from crtcore.training.finetuning.predictions import OutOfFold, read_patients


@dataclass(frozen=True, kw_only=True)
class AlignedPredictions:
    """The probability of label 1 for each repeat, patient and configuration (`score_RPC`).

    Patients are in the order of their ids. `fold_RP` is the number of the fold that scored a patient.
    `numbers` is the trial of each configuration, ascending.
    """

    patient_ids: tuple[str, ...]
    label_P: IntArray
    fold_RP: IntArray
    score_RPC: npt.NDArray[np.float64]
    numbers: tuple[int, ...]

    def scores(self) -> npt.NDArray[np.float64]:
        """Each patient's score by each configuration, mean over repeats, shape (patients, configurations)."""
        return np.asarray(self.score_RPC.mean(axis=0))

    @property
    def num_folds(self) -> int:
        return len(np.unique(self.fold_RP))

    def configuration(self, digests: Mapping[int, str], number: int) -> int:
        """The column of trial `number`; an earlier trial with the same stage has the same column."""
        first = min(other for other, digest in digests.items() if digest == digests[number])
        return self.numbers.index(first)

    def in_order(self, patients: Sequence[Patient]) -> tuple[Patient, ...]:
        """The manifest's patients in the order of the predictions.

        Raises SweepError if a scored patient is no longer in the manifest or has another outcome there.
        """
        by_id = {patient.patient_id: patient for patient in patients}
        for patient_id, label in zip(self.patient_ids, self.label_P.tolist(), strict=True):
            if patient_id not in by_id or by_id[patient_id].label != label:
                fault = "has another outcome now" if patient_id in by_id else "is no longer in it"
                raise SweepError(
                    f"the cohort manifest changed since the sweep: patient {patient_id} {fault}; restore the "
                    "manifest, or run the sweep under a new name"
                )
        return tuple(by_id[patient_id] for patient_id in self.patient_ids)


def read_aligned(store: StageStore, digests: Mapping[int, str]) -> AlignedPredictions:
    """The predictions of complete trials; `digests` are their finetune stages by trial number.

    Trials that share a stage are one configuration. Raises SweepError if trials were not scored on the same
    patients in the same folds, StorageError if predictions are missing or damaged.
    """
    first = {digest: number for number, digest in sorted(digests.items(), reverse=True)}
    numbers = tuple(sorted(first.values()))
    each = list(read_patients(store, [digests[number] for number in numbers]))
    for number, found in zip(numbers, each, strict=True):
        _check_alike(each[0], found, numbers=(numbers[0], number))
    return AlignedPredictions(
        patient_ids=tuple(each[0].id_P.tolist()),
        label_P=each[0].label_P,
        fold_RP=each[0].fold_RP,
        score_RPC=np.stack([found.score_RP for found in each], axis=-1),
        numbers=numbers,
    )


def _check_alike(reference: OutOfFold, found: OutOfFold, *, numbers: tuple[int, int]) -> None:
    """Raises SweepError if two trials were not scored on the same patients in the same folds."""
    columns = {
        "patient_id": (reference.id_P, found.id_P),
        "label": (reference.label_P, found.label_P),
        "fold": (reference.fold_RP, found.fold_RP),
    }
    for name, (expected, actual) in columns.items():
        if not np.array_equal(expected, actual):
            raise SweepError(
                f"trials {numbers[0]} and {numbers[1]} were scored on different patients or folds (column "
                f"{name} of their predictions differs), so their scores do not compare; run the sweep under "
                "a new name"
            )
