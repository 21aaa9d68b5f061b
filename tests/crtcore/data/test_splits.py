import numpy as np
import pytest

from crtcore.data.splits import DS1, DS2, check_disjoint, cohort_folds, given_folds, patient_folds
from crtcore.errors import DataError

IDS = np.array([f"p{number:02d}" for number in range(23)])
LABELS = np.array([1] * 14 + [0] * 9)


def test_folds_partition_the_patients_and_keep_the_classes_in_proportion() -> None:
    folds = patient_folds(IDS, LABELS, num_folds=5, seed=3)
    assert sorted(np.concatenate([fold.test_P for fold in folds])) == list(range(23))
    for fold in folds:
        assert sorted([*fold.train_P, *fold.test_P]) == list(range(23))
        assert 2 <= (LABELS[fold.test_P] == 1).sum() <= 3
        assert 1 <= (LABELS[fold.test_P] == 0).sum() <= 2


def test_folds_follow_the_seed_and_not_the_order_of_patients() -> None:
    def tested_together(ids: np.ndarray, labels: np.ndarray, seed: int) -> list[set[str]]:
        folds = patient_folds(ids, labels, num_folds=5, seed=seed)
        return [set(ids[fold.test_P].tolist()) for fold in folds]

    order = np.random.default_rng(0).permutation(len(IDS))
    first = tested_together(IDS, LABELS, 3)
    assert tested_together(IDS[order], LABELS[order], 3) == first
    assert tested_together(IDS, LABELS, 4) != first


def test_a_patient_listed_twice_is_refused() -> None:
    ids = IDS.copy()
    ids[5] = ids[20]
    with pytest.raises(DataError, match=r"patient p20 .* twice"):
        patient_folds(ids, LABELS, num_folds=2, seed=0)


def test_more_folds_than_patients_of_a_class_are_refused_with_the_remedy() -> None:
    with pytest.raises(DataError, match=r"9 patients have label 0, .* finetune.folds to 9"):
        patient_folds(IDS, LABELS, num_folds=10, seed=0)


@pytest.mark.parametrize("num_positive", [0, 1])
def test_a_class_with_no_patients_to_spare_is_refused(num_positive: int) -> None:
    labels = np.zeros(len(IDS), dtype=np.int64)
    labels[:num_positive] = 1
    with pytest.raises(DataError, match=f"{num_positive} patients have label 1; .* at least 2"):
        patient_folds(IDS, labels, num_folds=2, seed=0)


def test_check_disjoint_names_a_patient_on_both_sides() -> None:
    check_disjoint(["a", "b"], ["c"])
    with pytest.raises(DataError, match="patient b "):
        check_disjoint(["a", "b"], ["c", "b"])


def test_ds1_and_ds2_are_the_44_records_without_paced_beats() -> None:
    assert len(DS1) == len(DS2) == len(set(DS1)) == len(set(DS2)) == 22
    check_disjoint(DS1, DS2)
    assert not {"102", "104", "107", "217"} & {*DS1, *DS2}


def test_predefined_folds_are_kept() -> None:
    label_P = np.array([0, 1, 0, 1, 1])
    given = {"a": 7, "b": 7, "c": 2, "d": 2, "e": 2}
    folds = cohort_folds(np.array(list(given)), label_P, given=given, num_folds=5, num_repeats=2, seed=0)
    assert len(folds) == 2
    assert [fold.test_P.tolist() for fold in folds[0]] == [[2, 3, 4], [0, 1]]
    assert [fold.train_P.tolist() for fold in folds[0]] == [[0, 1], [2, 3, 4]]


@pytest.mark.parametrize(
    ("fold_P", "message"), [([1, 1, 1, 1], "all patients are in one fold"), ([1, 1, 2, 2], "fold 1 has only")]
)
def test_predefined_folds_that_cannot_be_scored(fold_P: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        given_folds(np.array(fold_P), np.array([0, 0, 0, 1]))


def test_each_repeat_draws_other_folds() -> None:
    first, second = cohort_folds(IDS, LABELS, given=None, num_folds=5, num_repeats=2, seed=0)
    assert [fold.test_P.tolist() for fold in first] != [fold.test_P.tolist() for fold in second]
