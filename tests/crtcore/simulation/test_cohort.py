import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crtcore.signal.wfdb_reader import read_recording
from crtcore.simulation.cohort import COLUMNS, simulate_recording, simulated_heart, write_cohort
from crtcore.simulation.dipole import DOWER_CX, MEASURED_LEADS, TWELVE_LEADS, Float64Array
from crtcore.simulation.patients import SimulatedPatient, draw_patients

PATIENTS = draw_patients(np.random.default_rng(0), 71)
TIME_S = np.arange(-0.05, 0.35, 0.001)
NO_VECTOR = (0.0, 0.0, 0.0)


def qrs_leads(patient: SimulatedPatient, number: int) -> Float64Array:
    """The patient's QRS complex alone, without noise, in MEASURED_LEADS."""
    heart = simulated_heart(np.random.default_rng(number), patient)
    shape = replace(heart.shape, st=NO_VECTOR, t=NO_VECTOR)
    waves = shape.waves(qrs_duration_s=heart.qrs_duration_s, rr_s=heart.mean_rr_s)
    return DOWER_CX @ waves.transformed(heart.axis_XX).at(TIME_S)


def energy_width_s(lead_CS: Float64Array) -> float:
    """Time that holds all but the first and last half per cent of the energy of the QRS complex."""
    energy_S = np.cumsum((lead_CS**2).sum(axis=0))
    start, stop = np.searchsorted(energy_S, [0.005 * energy_S[-1], 0.995 * energy_S[-1]])
    return float(TIME_S[stop] - TIME_S[start])


def test_the_qrs_duration_of_the_manifest_is_in_the_waveform() -> None:
    width_s = [energy_width_s(qrs_leads(patient, number)) for number, patient in enumerate(PATIENTS)]
    stated_ms = [patient.qrs_duration_ms for patient in PATIENTS]
    assert np.corrcoef(width_s, stated_ms)[0, 1] > 0.9


def test_lbbb_of_the_manifest_is_in_the_waveform() -> None:
    """Without LBBB: a q or an s wave of a tenth of R in V6. With it: neither, and V1 is all but negative."""
    v1, v6 = MEASURED_LEADS.index("V1"), MEASURED_LEADS.index("V6")
    right = 0
    for number, patient in enumerate(PATIENTS):
        lead_CS = qrs_leads(patient, number)
        monophasic = lead_CS[v6].min() > -0.1 * lead_CS[v6].max()
        negative = lead_CS[v1].max() < -0.25 * lead_CS[v1].min()
        right += (monophasic and negative) == patient.lbbb
    assert right >= 0.95 * len(PATIENTS)


def test_the_recording_depends_on_conduction_and_width_alone() -> None:
    patient = PATIENTS[0]
    other = replace(patient, label=1 - patient.label, lvef_percent=50.0, scar_percent=0.0, age_years=40)
    first, second = simulate_recording(patient, seed=7), simulate_recording(other, seed=7)
    np.testing.assert_array_equal(first.signal_CS, second.signal_CS)
    wider = simulate_recording(replace(patient, qrs_duration_ms=patient.qrs_duration_ms + 30), seed=7)
    assert np.abs(wider.signal_CS - first.signal_CS).max() > 0.1


def test_the_cohort_reads_back(tmp_path: Path) -> None:
    heard: list[int] = []
    write_cohort(tmp_path, seed=0, num_patients=12, on_patient=heard.append)
    assert heard == list(range(1, 13))
    with (tmp_path / "cohort.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert tuple(rows[0]) == COLUMNS
    for row in rows:
        recording = read_recording(tmp_path / row["recording"], patient_id=row["patient_id"])
        assert recording.leads == TWELVE_LEADS
        assert recording.sampling_rate_hz == 500.0
        assert recording.signal_CS.shape == (12, 5000)
        assert 0.3 < np.abs(recording.signal_CS).max() < 6
        assert "SIMULATED" in (tmp_path / f"{row['recording']}.hea").read_text()
    assert "SIMULATED" in (tmp_path / "SIMULATED.txt").read_text()


def test_the_truth_is_told(tmp_path: Path) -> None:
    write_cohort(tmp_path, seed=0, num_patients=10, on_patient=lambda _: None)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["simulated"] is True
    assert truth["model"]["label_1"]["qrs_duration_ms"] == {"mean": 179.4, "sd": 19.8, "low": 120}
    best = truth["best_auc"]
    assert best["qrs_duration_ms"] < best["ecg"] < best["clinical"]
    assert best["lbbb"] == pytest.approx((44 / 46 + 12 / 25) / 2)
