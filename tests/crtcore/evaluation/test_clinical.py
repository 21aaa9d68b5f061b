"""Manifest columns as features: kept, left out, refused."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from crtcore.data.manifest import Patient
from crtcore.errors import DataError
from crtcore.evaluation.clinical import (
    clinical_features,
    clinical_values,
    has_column,
    number_column,
    yes_no_column,
)


def cohort(*rows: Mapping[str, Any]) -> list[Patient]:
    return [Patient(patient_id=f"p{i}", label=i % 2, clinical=row) for i, row in enumerate(rows)]


def test_numbers_yes_no_and_categories_become_features() -> None:
    features = clinical_features(
        cohort(
            {"age_years": 60.0, "sex": "male", "lbbb": "yes", "cause": "a", "site": "x", "empty": None},
            {"age_years": None, "sex": "female", "lbbb": "no", "cause": "b", "site": "x", "empty": None},
            {"age_years": 70.0, "sex": None, "lbbb": "yes", "cause": "c", "site": "x", "empty": None},
        )
    )
    assert features.names == ("age_years", "sex: male", "lbbb", "cause: b", "cause: c")
    assert features.value_PD.tolist()[0] == [60, 1, 1, 0, 0]
    assert np.isnan(features.value_PD[1, 0])
    assert np.isnan(features.value_PD[2, 1])
    assert features.value_PD[1:, 3:].tolist() == [[1, 0], [0, 1]]


def test_free_text_and_constant_columns_are_left_out() -> None:
    rows = [{"remark": f"text {i}", "centre": 1.0} for i in range(6)]
    features = clinical_features(cohort(*rows))
    assert features.names == ()
    assert features.value_PD.shape == (6, 0)


def test_only_the_columns_asked_for() -> None:
    patients = cohort({"age_years": 1.0, "nyha": 2.0}, {"age_years": 3.0, "nyha": 3.0})
    assert clinical_features(patients, ["nyha", "absent"]).names == ("nyha",)
    assert has_column(patients, "nyha")
    assert not has_column(patients, "absent")


def test_a_rule_does_not_use_a_column_with_a_missing_value() -> None:
    patients = cohort({"lbbb": 1.0, "lvef_percent": 30.0}, {"lbbb": None, "lvef_percent": 20.0})
    assert yes_no_column(patients, "lbbb") is None
    lvef_P = number_column(patients, "lvef_percent")
    assert lvef_P is not None
    assert lvef_P.tolist() == [30, 20]


def test_yes_no_in_several_spellings() -> None:
    lbbb_P = yes_no_column(cohort(*({"lbbb": value} for value in (1.0, 0.0, "Yes", "FALSE"))), "lbbb")
    assert lbbb_P is not None
    assert lbbb_P.tolist() == [1, 0, 1, 0]


def test_impossible_values_are_an_error_that_names_the_patient() -> None:
    with pytest.raises(DataError, match=r"patient p1: lbbb is 2\.0 in the manifest; give 1 or 0"):
        yes_no_column(cohort({"lbbb": 1.0}, {"lbbb": 2.0}), "lbbb")
    with pytest.raises(DataError, match="patient p0: qrs_duration_ms is 'broad' in the manifest"):
        number_column(cohort({"qrs_duration_ms": "broad"}), "qrs_duration_ms")


def test_one_patients_values_are_those_of_the_cohort() -> None:
    patients = cohort(
        {"age_years": 60.0, "sex": "male", "lbbb": "yes", "cause": "a", "dose: mg": 3},
        {"age_years": None, "sex": "female", "lbbb": "no", "cause": "b", "dose: mg": 4},
        {"age_years": 70.0, "sex": None, "lbbb": "yes", "cause": "c", "dose: mg": 5},
    )
    features = clinical_features(patients)
    for patient, value_D in zip(patients, features.value_PD, strict=True):
        np.testing.assert_array_equal(clinical_values(patient.clinical, features.names), value_D)
    unknown = clinical_values({"sex": "male", "lbbb": True}, features.names)
    assert np.isnan(unknown[features.names.index("age_years")])
    assert unknown[features.names.index("lbbb")] == 1
    with pytest.raises(DataError, match="clinical value age_years is 'old'; give a number"):
        clinical_values({"age_years": "old"}, features.names)
