"""Tables of clinical values and of QRS measurements, built once and read by patient."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crtcore.config import Experiment
from crtcore.data.sources import Sources, cohort_sources
from crtcore.evaluation.clinical import clinical_features
from crtcore.evaluation.qrs_area import measure_qrs
from crtcore.signal.formats import read_any
from crtcore.signal.leads import derive_leads
from crtcore.stages.store import StageStore
from crtcore.training.finetuning.patient_table import (
    QRS_NAMES,
    PatientTable,
    load_patient_table,
    patient_table,
    qrs_features,
    run_patient_table,
)


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(str(tmp_path / "storage"), cache=tmp_path / "cache")


@pytest.fixture
def sources(tiny: Experiment) -> Sources:
    recordings, patients, leads = cohort_sources(tiny)
    return Sources(arrhythmia=(), cohort=recordings, patients=patients, cohort_leads=leads)


def table_of(model: str, sources: Sources) -> PatientTable:
    table = patient_table(model, sources)
    assert table is not None
    return table


def ids(sources: Sources) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    return np.array([patient.patient_id for patient in sources.patients])[::-1]


def test_clinical_values_are_kept_by_patient(store: StageStore, sources: Sources) -> None:
    table = table_of("clinical", sources)
    run_patient_table(store, table)
    found = load_patient_table(store, table.stage, ids(sources))
    expected = clinical_features(sources.patients)
    assert found.names == expected.names
    np.testing.assert_array_equal(found.value_PD, expected.value_PD[::-1])


def test_a_changed_clinical_value_is_another_table(sources: Sources) -> None:
    first, *others = sources.patients
    clinical = {**first.clinical, "age_years": 99.0}
    changed = replace(sources, patients=(replace(first, clinical=clinical), *others))
    assert table_of("clinical", changed).stage.digest != table_of("clinical", sources).stage.digest
    assert table_of("qrs", changed).stage.digest == table_of("qrs", sources).stage.digest


def test_the_qrs_complex_is_measured_once_per_patient(store: StageStore, sources: Sources) -> None:
    table = table_of("qrs", sources)
    steps: list[tuple[int, int]] = []
    run_patient_table(store, table, on_progress=lambda done, total: steps.append((done, total)))
    assert steps == [(done, 12) for done in range(13)]
    found = load_patient_table(store, table.stage, ids(sources))
    assert found.names == QRS_NAMES
    expected = measure_qrs(read_any(sources.cohort[0].path))
    assert found.value_PD[-1].tolist() == [expected.duration_ms, expected.area_uvs]
    manifest = store.find(table.stage)
    assert manifest is not None and manifest.facts["num_known"] == 12
    run_patient_table(store, table, on_progress=lambda done, total: steps.append((-1, total)))
    assert len(steps) == 13  # the second run only finds it


def test_a_recording_without_the_leads_has_no_measurement(sources: Sources) -> None:
    recording = derive_leads(read_any(sources.cohort[0].path), ("II",))
    assert np.isnan(qrs_features(recording)).all()


@pytest.mark.parametrize("model", ["network", "pixels", "random_features", "pretrained_features"])
def test_models_of_images_need_no_table(sources: Sources, model: str) -> None:
    assert patient_table(model, sources) is None
