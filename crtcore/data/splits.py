"""Splits by patient: cross-validation folds, and the published split of the MIT-BIH database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.model_selection import StratifiedKFold

from crtcore.errors import DataError
from crtcore.seeding import child_seed
from crtcore.signal.recording import IntArray, StrArray

# fmt: off
DS1: Final = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122",
    "124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230",
)
DS2: Final = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210",
    "212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234",
)
# fmt: on
"""MIT-BIH records to train on and to score, without paced ones (de Chazal et al. 2004, IEEE TBME 51:1196)."""


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One split of P patients: ascending indices of the patients to train on and of those to score."""

    train_P: IntArray
    test_P: IntArray


def patient_folds(patient_P: StrArray, label_P: IntArray, *, num_folds: int, seed: int) -> tuple[Fold, ...]:
    """Stratified folds over patients. `patient_P` are ids and `label_P` 0 or 1, both of shape (patients,).

    The folds depend on the ids, the labels and the seed, not on the order of the rows. Each patient is scored
    in exactly one fold. Raises DataError if a patient occurs twice or a class has fewer patients than there
    are folds.
    """
    assert patient_P.shape == label_P.shape
    ids, count = np.unique(patient_P, return_counts=True)
    if (count > 1).any():
        raise DataError(
            f"patient {ids[count > 1][0]} is in the list of patients twice; give one row per patient"
        )
    for label in (0, 1):
        num = int((label_P == label).sum())
        if num < num_folds:
            raise DataError(
                f"{num} patients have label {label}, too few for {num_folds} folds with one in each; "
                f"set finetune.folds to {num} or fewer, or add patients"
                if num >= 2
                else f"{num} patients have label {label}; cross-validation needs at least 2 of each outcome"
            )
    order_P = np.argsort(patient_P)
    # scikit-learn takes seeds of 32 bits.
    folds = StratifiedKFold(num_folds, shuffle=True, random_state=seed % 2**32)
    return tuple(
        Fold(train_P=np.sort(order_P[train]), test_P=np.sort(order_P[test]))
        for train, test in folds.split(order_P, label_P[order_P])
    )


def given_folds(fold_P: IntArray, label_P: IntArray) -> tuple[Fold, ...]:
    """The predefined folds of a cohort: patients with the same number in `fold_P` are scored together.

    Raises DataError if there is only one fold, or a fold without both outcomes, which has no AUC.
    """
    numbers = np.unique(fold_P)
    if len(numbers) < 2:
        raise DataError("all patients are in one fold; give at least two folds in the manifest's column fold")
    for number in numbers:
        labels = np.unique(label_P[fold_P == number])
        if len(labels) < 2:
            raise DataError(
                f"fold {number} has only patients with label {labels[0]}; give each fold both outcomes"
            )
    return tuple(
        Fold(train_P=np.flatnonzero(fold_P != number), test_P=np.flatnonzero(fold_P == number))
        for number in numbers
    )


def cohort_folds(
    patient_P: StrArray,
    label_P: IntArray,
    *,
    given: Mapping[str, int] | None,
    num_folds: int,
    num_repeats: int,
    seed: int,
) -> tuple[tuple[Fold, ...], ...]:
    """The folds of each repeat: those `given` by patient id, or drawn for each repeat."""
    if given is not None:
        fold_P = np.array([given[patient_id] for patient_id in patient_P.tolist()])
        return (given_folds(fold_P, label_P),) * num_repeats
    return tuple(
        patient_folds(patient_P, label_P, num_folds=num_folds, seed=child_seed(seed, "folds", repeat))
        for repeat in range(num_repeats)
    )


def check_disjoint(train_ids: Iterable[str], test_ids: Iterable[str]) -> None:
    """DataError naming a patient who is both trained on and scored."""
    both = set(train_ids) & set(test_ids)
    if both:
        raise DataError(f"patient {min(both)} is on both sides of a split; keep each on one side")
