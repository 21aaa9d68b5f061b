"""Every metric of an external validation, by hand."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from crtcore.data.manifest import Patient
from crtcore.errors import DataError
from crtcore.evaluation.decision_curve import net_benefit
from crtcore.evaluation.delong import auc_interval
from crtcore.evaluation.external import at_threshold, external_performance


def cohort(num: int = 60, columns: Mapping[str, Sequence[object]] | None = None) -> list[Patient]:
    """Patients with labels 0, 1, 0, 1, ... and clinical columns."""
    return [
        Patient(
            patient_id=f"p{place}",
            label=place % 2,
            clinical={name: values[place] for name, values in (columns or {}).items()},
        )
        for place in range(num)
    ]


def scores(num: int = 60) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.clip(0.5 + 0.15 * (np.arange(num) % 2) + rng.normal(0, 0.2, num), 0.01, 0.99)


def test_counts_and_shares_at_the_threshold() -> None:
    found = at_threshold(np.array([1, 1, 1, 0, 0]), np.array([0.9, 0.5, 0.1, 0.6, 0.2]), 0.5)
    counts = (found.true_positive, found.false_positive, found.true_negative, found.false_negative)
    assert counts == (2, 1, 1, 1)
    assert found.sensitivity.estimate == pytest.approx(2 / 3)
    assert found.specificity.estimate == 0.5
    assert found.accuracy.estimate == pytest.approx(3 / 5)
    assert found.ppv is not None and found.ppv.estimate == pytest.approx(2 / 3)
    assert found.npv is not None and found.npv.estimate == 0.5


def test_without_a_predicted_patient_there_is_no_ppv() -> None:
    found = at_threshold(np.array([1, 0]), np.array([0.1, 0.2]), 0.5)
    assert found.ppv is None
    assert found.npv is not None


def test_everything_is_at_the_frozen_threshold() -> None:
    patients, probability_P = cohort(), scores()
    label_P = np.array([patient.label for patient in patients])
    found = external_performance(patients, probability_P, threshold=0.55)
    assert (found.num_patients, found.num_positive, found.threshold) == (60, 30, 0.55)
    assert found.auc == auc_interval(label_P, probability_P)  # not widened for cross-validation
    assert found.at_threshold == at_threshold(label_P, probability_P, 0.55)
    at_half = next(each for each in found.decision if each.threshold == 0.5)
    assert at_half.model == net_benefit(label_P, probability_P, np.array([0.5]))[0]
    assert at_half.treat_all == pytest.approx(0.0)
    assert len(found.recalibrations) == 2
    assert found.subgroups == ()


def test_subgroups_by_sex_age_and_the_column_subgroup() -> None:
    columns: dict[str, Sequence[object]] = {
        "sex": (["female"] * 40 + ["male"] * 20),
        "age_years": ([64.9] * 20 + [65.0] * 38 + [None] * 2),
        "subgroup": ["north"] * 60,
    }
    patients, probability_P = cohort(columns=columns), scores()
    found = external_performance(patients, probability_P, threshold=0.5)
    shown = [(each.column, each.value, each.num_patients, each.num_positive) for each in found.subgroups]
    assert shown == [
        ("sex", "female", 40, 20),
        ("sex", "male", 20, 10),
        ("subgroup", "north", 60, 30),
        ("age_years", "below 65", 20, 10),
        ("age_years", "65 or more", 38, 19),
    ]
    label_P = np.array([patient.label for patient in patients])
    assert found.subgroups[0].auc == auc_interval(label_P[:40], probability_P[:40])
    assert found.subgroups[2].sensitivity == found.at_threshold.sensitivity


def test_a_group_with_fewer_than_ten_of_an_outcome_has_counts_alone() -> None:
    patients = cohort(60, {"sex": ["female"] * 42 + ["male"] * 18})
    found = external_performance(patients, scores(), threshold=0.5)
    small = found.subgroups[1]
    assert (small.num_patients, small.num_positive) == (18, 9)
    assert (small.auc, small.sensitivity, small.specificity) == (None, None, None)


def test_free_text_is_no_subgroup_and_numbers_may_be() -> None:
    free = cohort(60, {"subgroup": [f"note {place}" for place in range(60)]})
    coded = cohort(60, {"sex": [0.0, 0.0, 1.0] * 20})
    assert external_performance(free, scores(), threshold=0.5).subgroups == ()
    values = [each.value for each in external_performance(coded, scores(), threshold=0.5).subgroups]
    assert values == ["0", "1"]


def test_a_single_patient_of_an_outcome_is_refused() -> None:
    with pytest.raises(DataError, match="two or more patients of each outcome"):
        external_performance(cohort(3), np.array([0.1, 0.2, 0.3]), threshold=0.5)
