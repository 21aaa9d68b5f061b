"""The out-of-fold predictions of a sweep: one score a patient and configuration, all on the same folds.

Legend: P patients, B beats, R repeats, C configurations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from crtcore.data.manifest import Patient
from crtcore.errors import SweepError
from crtcore.signal.recording import IntArray
from crtcore.stages.stage import StageKey
from crtcore.stages.store import StageStore

OOF_FILE = "oof.parquet"
BEATS_FILE = "beats.parquet"
KEYS = ("patient_id", "repeat", "fold", "label")  # alike in all trials of a sweep
COLUMNS = (*KEYS, "score")


@dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """`score_RPC` are probabilities of label 1; `numbers` the trial of each configuration, ascending.

    Patients stand in the order of their ids; `fold_RP` is the fold in which a patient was scored.
    """

    patient_ids: tuple[str, ...]
    label_P: IntArray
    fold_RP: IntArray
    score_RPC: npt.NDArray[np.float64]
    numbers: tuple[int, ...]

    def scores(self) -> npt.NDArray[np.float64]:
        """Each patient's score by each configuration, shape (patients, configurations): mean over repeats."""
        return np.asarray(self.score_RPC.mean(axis=0))

    @property
    def num_folds(self) -> int:
        return len(np.unique(self.fold_RP))

    def configuration(self, digests: Mapping[int, str], number: int) -> int:
        """The column of trial `number`, which may share its stage with an earlier trial."""
        first = min(other for other, digest in digests.items() if digest == digests[number])
        return self.numbers.index(first)

    def in_order(self, patients: Sequence[Patient]) -> tuple[Patient, ...]:
        """The manifest's patients in the order of the predictions.

        SweepError if one of those who were scored is no longer there, or has another outcome now.
        """
        by_id = {patient.patient_id: patient for patient in patients}
        for patient_id, label in zip(self.patient_ids, self.label_P.tolist(), strict=True):
            if patient_id not in by_id or by_id[patient_id].label != label:
                fault = "has another outcome now" if patient_id in by_id else "is no longer in it"
                raise SweepError(
                    f"the cohort manifest changed since the sweep: patient {patient_id} {fault}; put the "
                    f"manifest back, or run the sweep under a new name"
                )
        return tuple(by_id[patient_id] for patient_id in self.patient_ids)


def read_out_of_fold(store: StageStore, digests: Mapping[int, str]) -> OutOfFold:
    """The predictions of complete trials, `digests` being their finetune stages by trial number.

    Trials that share a stage are one configuration. SweepError if trials were not scored on the same folds;
    StorageError if predictions are gone or damaged.
    """
    first = {digest: number for number, digest in sorted(digests.items(), reverse=True)}
    numbers = tuple(sorted(first.values()))
    tables = [_table(store, digests[number]) for number in numbers]
    reference, order = tables[0], _order(tables[0])
    scores = []
    for number, table in zip(numbers, tables, strict=True):
        own = order
        if not all(table[column].equals(reference[column]) for column in KEYS):  # their rows may be shuffled
            own = _order(table)
            _check_alike(table, own, reference, order, numbers=(numbers[0], number))
        scores.append(_numbers(table["score"])[own])
    num_repeats = len(set(reference["repeat"].to_pylist()))
    num_patients = len(order) // num_repeats
    return OutOfFold(
        patient_ids=tuple(_in_order(reference, "patient_id", order)[:num_patients]),
        label_P=_numbers(reference["label"])[order][:num_patients],
        fold_RP=_numbers(reference["fold"])[order].reshape(num_repeats, num_patients),
        score_RPC=np.stack(scores, axis=-1).reshape(num_repeats, num_patients, len(numbers)),
        numbers=numbers,
    )


@dataclass(frozen=True, kw_only=True)
class BeatsOutOfFold:
    """The scores of single beats by one configuration: `patient_B` indexes `OutOfFold.patient_ids`."""

    patient_B: IntArray
    fold_RB: IntArray
    score_RB: npt.NDArray[np.float64]


def read_beats(store: StageStore, digest: str, predictions: OutOfFold) -> BeatsOutOfFold | None:
    """The beats' scores of a finetune stage; None where its head scores patients as a whole.

    StorageError if they are gone or damaged.
    """
    key = StageKey(name="finetune", digest=digest)
    manifest = store.find(key)
    if manifest is None or BEATS_FILE not in manifest.files:
        return None
    table = pq.read_table(store.path(key, BEATS_FILE))
    table = table.sort_by([("repeat", "ascending"), ("beat", "ascending")])
    shape = (len(table["repeat"].unique()), -1)
    index = {patient_id: number for number, patient_id in enumerate(predictions.patient_ids)}
    patient_RB = np.array([index[name] for name in table["patient_id"].to_pylist()]).reshape(shape)
    return BeatsOutOfFold(
        patient_B=patient_RB[0],
        fold_RB=table["fold"].to_numpy().reshape(shape),
        score_RB=table["score"].to_numpy().reshape(shape),
    )


# What pyarrow offers to sort and convert with would load its function library, or pandas: a tenth of a second
# and a quarter, with which the leaderboard of a thousand trials opens sooner.


def _table(store: StageStore, digest: str) -> pa.Table:
    # Not read_table: what it prepares for data sets of many files takes longer than one small file does.
    with pq.ParquetFile(store.path(StageKey(name="finetune", digest=digest), OOF_FILE)) as file:
        return file.read(columns=list(COLUMNS), use_threads=False)


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """A column without nulls."""
    return np.array(np.from_dlpack(column.combine_chunks()))


def _order(table: pa.Table) -> IntArray:
    """The rows by repeat and, in each, by patient id."""
    keys = list(zip(table["repeat"].to_pylist(), table["patient_id"].to_pylist(), strict=True))
    return np.array(sorted(range(len(keys)), key=keys.__getitem__))


def _in_order(table: pa.Table, column: str, order: IntArray) -> list[Any]:
    values = table[column].to_pylist()
    return [values[row] for row in order]


def _check_alike(
    table: pa.Table, own: IntArray, reference: pa.Table, order: IntArray, *, numbers: tuple[int, int]
) -> None:
    """SweepError if two trials were not scored on the same patients in the same folds."""
    for column in KEYS:
        if _in_order(table, column, own) != _in_order(reference, column, order):
            raise SweepError(
                f"trials {numbers[0]} and {numbers[1]} were scored on different patients or "
                f"folds (column {column} of their predictions differs), so their scores do not compare; "
                f"run the sweep under a new name"
            )
