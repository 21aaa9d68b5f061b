"""The rules: the paper's counts, the guideline's limits, measured and missing columns."""

from typing import Any

import numpy as np
import pytest

from crtcore.data.manifest import Patient
from crtcore.evaluation.comparators import Comparator
from crtcore.evaluation.metrics import auc, classification
from crtcore.evaluation.qrs_area import QrsMeasurement
from crtcore.evaluation.rules import rule_comparators

COHORT = np.array([1] * 46 + [0] * 25)
LBBB = [1.0] * 44 + [0.0] * 2 + [1.0] * 13 + [0.0] * 12  # Table 1 of He et al. 2023
QRS_MS = np.linspace(120, 190, 71).tolist()


def cohort(label_P: np.ndarray[Any, Any] = COHORT, **columns: list[Any]) -> list[Patient]:
    rows = ({name: values[i] for name, values in columns.items()} for i in range(len(label_P)))
    return [
        Patient(patient_id=f"p{i:02d}", label=int(label_P[i]), clinical=row) for i, row in enumerate(rows)
    ]


def by_name(
    patients: list[Patient], measured: dict[str, QrsMeasurement] | None = None
) -> dict[str, Comparator]:
    return {comparator.name: comparator for comparator in rule_comparators(patients, measured or {})}


def measured_in(patients: list[Patient]) -> dict[str, QrsMeasurement]:
    return {
        patient.patient_id: QrsMeasurement(duration_ms=120 + i, area_uvs=80 + i)
        for i, patient in enumerate(patients)
    }


def test_lbbb_alone_on_the_papers_counts() -> None:
    score_P = by_name(cohort(lbbb=LBBB))["LBBB alone"].score_P
    assert score_P is not None
    figures = classification(COHORT, score_P)
    assert figures["sensitivity"] == pytest.approx(44 / 46)
    assert figures["specificity"] == pytest.approx(12 / 25)
    assert figures["accuracy"] == pytest.approx(56 / 71)
    assert round(figures["accuracy"], 3) == 0.789
    assert auc(COHORT, score_P) == pytest.approx((44 / 46 + 12 / 25) / 2)


def test_the_guideline_needs_all_three_criteria_with_their_limits() -> None:
    patients = cohort(
        np.array([1, 1, 0, 0]),
        lbbb=[1.0, 0.0, 1.0, 1.0],
        qrs_duration_ms=[150.0, 180.0, 149.9, 150.0],
        lvef_percent=[35.0, 30.0, 30.0, 35.1],
    )
    score_P = by_name(patients)["guideline"].score_P
    assert score_P is not None
    assert score_P.tolist() == [1, 0, 0, 0]


def test_every_missing_column_is_named() -> None:
    found = by_name(cohort(lbbb=LBBB))
    assert {name: comparator.missing_column for name, comparator in found.items()} == {
        "guideline": "qrs_duration_ms, lvef_percent",
        "LBBB alone": None,
        "QRS duration alone": "qrs_duration_ms",
        "QRS area alone (measured from the ECG)": "leads I, II, V1, V2, V3, V4, V5, V6",
    }
    assert by_name(cohort(lbbb=[None, *LBBB[1:]]))["LBBB alone"].missing_column == "lbbb"


def test_a_measured_qrs_duration_replaces_a_missing_one_and_the_name_says_so() -> None:
    patients = cohort(lbbb=LBBB, lvef_percent=[30.0] * 71)
    measured = measured_in(patients)
    found = by_name(patients, measured)
    assert found["QRS duration alone (QRS measured from the ECG)"].score_P == pytest.approx(
        120 + np.arange(71)
    )
    assert found["QRS area alone (measured from the ECG)"].score_P == pytest.approx(80 + np.arange(71))
    guideline_P = found["guideline (QRS measured from the ECG)"].score_P
    assert guideline_P is not None
    assert guideline_P.sum() == sum(LBBB[30:])
    del measured["p03"]
    assert by_name(patients, measured)["QRS duration alone"].missing_column == "qrs_duration_ms"


def test_the_manifests_qrs_duration_has_priority_over_the_measured_one() -> None:
    patients = cohort(qrs_duration_ms=QRS_MS)
    assert by_name(patients, measured_in(patients))["QRS duration alone"].score_P == pytest.approx(QRS_MS)
