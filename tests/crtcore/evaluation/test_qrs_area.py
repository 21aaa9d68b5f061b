"""QRS duration and area of a complex with known integral, and of simulated patients with known duration."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crtcore.errors import DataError
from crtcore.evaluation.qrs_area import KORS_XC, measure_qrs, vectorcardiogram
from crtcore.signal.leads import INDEPENDENT_LEADS
from crtcore.signal.recording import Recording
from crtcore.signal.wfdb_reader import read_recording

RATE_HZ = 500.0
QRS_SD_S = 0.016


def beating(area_X: tuple[float, float, float], *, rate_hz: float = RATE_HZ) -> Recording:
    """Ten seconds of Gaussian QRS complexes with these integrals (uVs) and a small T wave, on the eight
    leads that Kors' matrix turns back into exactly this vectorcardiogram.
    """
    time_s_S = np.arange(round(10 * rate_hz)) / rate_hz
    since_s_BS = time_s_S - np.arange(0.5, 10, 0.8)[:, None]
    qrs_S = np.exp(-0.5 * (since_s_BS / QRS_SD_S) ** 2).sum(axis=0) / (QRS_SD_S * np.sqrt(2 * np.pi))
    t_S = 0.15 * np.exp(-0.5 * ((since_s_BS - 0.28) / 0.045) ** 2).sum(axis=0)
    vector_XS = np.outer(np.array(area_X) / 1000, qrs_S) + t_S
    return Recording(
        record_id="made",
        patient_id="made",
        leads=INDEPENDENT_LEADS,
        sampling_rate_hz=rate_hz,
        signal_CS=(np.linalg.pinv(KORS_XC) @ vector_XS).astype(np.float32),
    )


@pytest.mark.parametrize("rate_hz", [360.0, 500.0, 1000.0])
@pytest.mark.parametrize("area_X", [(60.0, 0.0, 0.0), (30.0, -40.0, 50.0)])
def test_the_area_of_gaussian_complexes_is_their_integral(
    area_X: tuple[float, float, float], rate_hz: float
) -> None:
    measured = measure_qrs(beating(area_X, rate_hz=rate_hz))
    assert measured.area_uvs == pytest.approx(float(np.linalg.norm(area_X)), rel=0.08)
    assert 4.5 < measured.duration_ms / (1000 * QRS_SD_S) < 8


def test_the_vectorcardiogram_of_a_dipole_is_that_dipole() -> None:
    recording = beating((60.0, -20.0, 30.0))
    vector_XS = vectorcardiogram(recording)
    peak_X = np.abs(vector_XS).max(axis=1)
    assert peak_X / peak_X[0] == pytest.approx(
        [1, 1 / 3, 1 / 2], abs=0.15
    )  # the T wave is added to each axis


def test_the_duration_matches_the_simulated_one(simulated_dir: Path) -> None:
    with (simulated_dir / "cohort" / "cohort.csv").open() as file:
        rows = list(csv.DictReader(file))
    recordings = [read_recording(simulated_dir / "cohort" / row["recording"]) for row in rows]
    measured_P = np.array([measure_qrs(recording).duration_ms for recording in recordings])
    true_P = np.array([float(row["qrs_duration_ms"]) for row in rows])
    assert np.corrcoef(measured_P, true_P)[0, 1] > 0.85
    assert abs((measured_P - true_P).mean()) < 12
    assert np.abs(measured_P - true_P).max() < 25


def test_limb_leads_are_derived_and_missing_samples_interpolated() -> None:
    recording = beating((60.0, 10.0, 0.0))
    i_S, ii_S = recording.signal_CS[:2]
    other = replace(
        recording, leads=("III", "aVL", *INDEPENDENT_LEADS[2:]),
        signal_CS=np.concatenate([[ii_S - i_S, i_S - ii_S / 2], recording.signal_CS[2:]]),
    )  # fmt: skip
    assert measure_qrs(other).area_uvs == pytest.approx(measure_qrs(recording).area_uvs, rel=1e-3)
    gap_CS = recording.signal_CS.copy()
    gap_CS[3, 1000:1020] = np.nan
    assert measure_qrs(replace(recording, signal_CS=gap_CS)).area_uvs == pytest.approx(
        measure_qrs(recording).area_uvs, rel=0.03
    )


def test_what_cannot_be_measured_is_refused() -> None:
    recording = beating((60.0, 0.0, 0.0))
    with pytest.raises(DataError, match="has no lead V6"):
        measure_qrs(replace(recording, leads=INDEPENDENT_LEADS[:-1], signal_CS=recording.signal_CS[:-1]))
    with pytest.raises(DataError, match="0 whole beats"):
        measure_qrs(replace(recording, signal_CS=recording.signal_CS[:, :250]))
    empty_CS = recording.signal_CS.copy()
    empty_CS[4] = np.nan
    with pytest.raises(DataError, match="lead V3 of recording made has no samples"):
        measure_qrs(replace(recording, signal_CS=empty_CS))


@pytest.mark.realdata
def test_bundle_branch_blocks_are_wide_and_left_ones_large(data_dir: Path) -> None:
    """Six recordings each of PTB-XL, by the codes of its table."""
    with (data_dir / "ptbxl500" / "ptbxl_database.csv").open() as file:
        rows = list(csv.DictReader(file))

    def measured(code: str) -> tuple[float, float]:
        chosen = [row["filename_hr"] for row in rows if f"'{code}': 100.0" in row["scp_codes"]][:6]
        assert len(chosen) == 6
        found = [measure_qrs(read_recording(data_dir / "ptbxl500" / name)) for name in chosen]
        return (
            float(np.median([qrs.duration_ms for qrs in found])),
            float(np.median([qrs.area_uvs for qrs in found])),
        )

    normal, left, right = measured("NORM"), measured("CLBBB"), measured("CRBBB")
    assert 65 < normal[0] < 105
    assert 120 < left[0] < 190
    assert 115 < right[0] < 180
    assert left[1] > 70 > 2 * normal[1] * 0.6
    assert left[1] > 2 * right[1]
