import ast
import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crtcore.data.beat_images import detected_rhythm
from crtcore.signal.formats import read_any
from crtcore.signal.quality import LeadQuality, lead_flags, quality_flags, recording_flags
from crtcore.signal.recording import FloatArray, Recording
from crtcore.signal.wfdb_reader import list_records

RATE_HZ = 360.0


def ecg(num_seconds: float = 10) -> FloatArray:
    """One lead of 1 mV R peaks at 75 per minute with T waves and a little noise."""
    time_S = np.arange(round(num_seconds * RATE_HZ)) / RATE_HZ
    phase_S = (time_S % 0.8) - 0.3
    wave_S = np.exp(-0.5 * (phase_S / 0.012) ** 2) + 0.25 * np.exp(-0.5 * ((phase_S - 0.28) / 0.045) ** 2)
    noise_S = np.random.default_rng(2).normal(0, 0.01, len(time_S))
    return np.asarray(wave_S + noise_S, dtype=np.float32)


def recording(*leads_S: FloatArray) -> Recording:
    return Recording(
        record_id="r1",
        patient_id="p1",
        leads=tuple(f"V{i}" for i in range(1, len(leads_S) + 1)),
        sampling_rate_hz=RATE_HZ,
        signal_CS=np.stack(leads_S),
    )


def flags(quality: LeadQuality) -> set[str]:
    return {name for name in ("flat", "clipped", "missing", "noisy") if getattr(quality, name)}


def test_each_fault_raises_its_own_flag_and_no_other() -> None:
    held_S = ecg()
    held_S[1000:1600] = held_S[1000]
    stepped_S = ecg()
    stepped_S[: 12 * 90] = np.repeat(stepped_S[: 12 * 90 : 90], 90)  # a quarter of a second each
    clipped_S = np.minimum(ecg(), np.float32(0.6))
    lost_S = ecg()
    lost_S[:200] = np.nan
    quality = lead_flags(recording(ecg(), held_S, stepped_S, clipped_S, lost_S, np.zeros(3600, np.float32)))
    assert [flags(lead) for lead in quality] == [
        set(),
        {"flat"},
        {"flat"},
        {"clipped"},
        {"missing"},
        {"flat"},
    ]
    assert [lead.usable for lead in quality] == [True, False, False, False, False, False]
    assert quality[3].lead == "V4"


def test_a_lead_without_a_single_sample_is_missing_only() -> None:
    assert flags(lead_flags(recording(np.full(3600, np.nan, np.float32)))[0]) == {"missing"}


def test_one_held_stretch_at_the_start_is_no_clipping() -> None:
    opening_S = ecg()
    opening_S[:40] = 3.0  # a ninth of a second, as PTB-XL records open
    assert flags(lead_flags(recording(opening_S))[0]) == set()


def test_a_coarse_baseline_is_neither_flat_nor_clipped() -> None:
    """A noise-free upright ECG at 5 uV a step rests on its own minimum between the beats."""
    time_S = np.arange(3600) / RATE_HZ
    upright_S = np.exp(-0.5 * (((time_S % 0.8) - 0.3) / 0.06) ** 2)
    coarse_S = (np.rint(upright_S / 0.005) * 0.005).astype(np.float32)
    assert flags(lead_flags(recording(coarse_S))[0]) & {"clipped"} == set()


@settings(deadline=None, max_examples=25)
@given(gain=st.floats(0.05, 20), offset_mv=st.floats(-5, 5))
def test_flags_do_not_depend_on_gain_offset_or_polarity(gain: float, offset_mv: float) -> None:
    clipped_S = np.minimum(ecg(), np.float32(0.6))
    for lead_S in (ecg(), clipped_S):
        changed_S = (-gain * lead_S.astype(np.float64) + offset_mv).astype(np.float32)
        before, after = lead_flags(recording(lead_S, changed_S))
        assert flags(before) == flags(after)


@pytest.mark.parametrize(
    ("num_seconds", "num_r_peaks", "too_short", "too_few_beats"),
    [(10.0, 12, False, False), (5.0, 3, False, False), (4.9, 3, True, False), (10.0, 2, False, True)],
)
def test_recordings_that_are_short_or_have_few_r_peaks_are_flagged(
    num_seconds: float, num_r_peaks: int, too_short: bool, too_few_beats: bool
) -> None:
    quality = recording_flags(recording(ecg(num_seconds)), num_r_peaks=num_r_peaks)
    assert (quality.too_short, quality.too_few_beats) == (too_short, too_few_beats)
    assert quality.usable == (not too_short and not too_few_beats)


def test_flags_of_leads_and_of_the_recording_are_named_together() -> None:
    flat = recording(ecg(4), np.zeros(4 * 360, np.float32))
    assert quality_flags(flat, num_r_peaks=0) == ("flat", "too_few_beats", "too_short")
    assert quality_flags(recording(ecg()), num_r_peaks=12) == ()


@pytest.mark.realdata
def test_clean_normal_recordings_are_almost_never_flagged(data_dir: Path) -> None:
    """4 of PTB-XL's 201 normal recordings without a note of noise have a flagged lead; here a fifth."""
    folder = data_dir / "ptbxl500"
    with (folder / "ptbxl_database.csv").open(newline="") as stream:
        rows = [
            row
            for row in csv.DictReader(stream)
            if (folder / f"{row['filename_hr']}.hea").is_file()
            and ast.literal_eval(row["scp_codes"]).get("NORM", 0) >= 80
            and not any(
                row[f"{kind}"]
                for kind in ("baseline_drift", "static_noise", "burst_noise", "electrodes_problems")
            )
        ]
    chosen = rows[::5]
    assert len(chosen) >= 40
    recordings = [read_any(folder / row["filename_hr"]) for row in chosen]
    flagged = [r.record_id for r in recordings if not all(lead.usable for lead in lead_flags(r))]
    assert len(flagged) <= 0.05 * len(recordings), flagged
    num_r_peaks = [len(detected_rhythm(r).r_sample_B) for r in recordings]
    assert all(recording_flags(r, num_r_peaks=n).usable for r, n in zip(recordings, num_r_peaks, strict=True))


@pytest.mark.realdata
def test_noise_added_to_clean_recordings_is_found(data_dir: Path) -> None:
    """White noise of twice the signal's standard deviation: 89 % of the leads were flagged."""
    paths = sorted((data_dir / "ptbxl500").rglob("*.hea"))[:20]
    generator = np.random.default_rng(3)
    found = []
    for path in paths:
        clean = read_any(path.with_suffix(""))
        deviation_C1 = clean.signal_CS.std(axis=1, keepdims=True)
        noise_CS = generator.standard_normal(clean.signal_CS.shape) * 2 * deviation_C1
        noisy = Recording(
            record_id=clean.record_id,
            patient_id=clean.patient_id,
            leads=clean.leads,
            sampling_rate_hz=clean.sampling_rate_hz,
            signal_CS=(clean.signal_CS + noise_CS).astype(np.float32),
        )
        found += [lead.noisy for lead in lead_flags(noisy)]
    assert np.mean(found) > 0.8


@pytest.mark.realdata
def test_the_arrhythmia_database_is_usable(data_dir: Path) -> None:
    """Paced and bundle branch block records among them: broad complexes must not be taken for noise."""
    folder = data_dir / "mitdb"
    names = [name for name in list_records(folder) if name in ("102", "107", "109", "217")]
    recordings = [read_any(folder / name) for name in names]
    assert len(recordings) == 4
    assert [r.record_id for r in recordings if not all(lead.usable for lead in lead_flags(r))] == []
