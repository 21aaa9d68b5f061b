from pathlib import Path

import numpy as np
import pytest

from crtcore.signal.beats import (
    AAMI_CLASSES,
    BEAT_SYMBOLS,
    MORPHOLOGY_CLASSES,
    aami_labels,
    label_detections,
    morphology_labels,
)
from crtcore.signal.r_peaks import detect_r_peaks
from crtcore.signal.wfdb_reader import list_records, read_recording
from crtcore.simulation.database import LEADS, PROFILES, simulate_recording, write_database


def test_the_database_reads_back_with_every_class(tmp_path: Path) -> None:
    heard: list[int] = []
    write_database(tmp_path, seed=0, num_records=4, minutes=1.0, on_record=heard.append)
    assert heard == [1, 2, 3, 4]
    assert list_records(tmp_path) == ("sim001", "sim002", "sim003", "sim004")
    symbols: list[str] = []
    for name in list_records(tmp_path):
        recording = read_recording(tmp_path / name, annotated=True)
        assert recording.leads == LEADS
        assert recording.sampling_rate_hz == 360.0
        assert recording.signal_CS.shape == (2, 21_600)
        assert recording.annotation is not None
        symbols += recording.annotation.symbol_B.tolist()
        header = (tmp_path / f"{name}.hea").read_text()
        assert f"{name}.dat 212 " in header
        assert "SIMULATED" in header
    assert set(aami_labels(np.array(symbols)).tolist()) == set(range(len(AAMI_CLASSES)))
    assert set(morphology_labels(np.array(symbols)).tolist()) >= set(range(len(MORPHOLOGY_CLASSES)))
    assert "SIMULATED" in (tmp_path / "SIMULATED.txt").read_text()


def test_all_profiles_together_have_the_rarer_codes_and_marks_that_are_no_beats() -> None:
    symbols: set[str] = set()
    for number, profile in enumerate(PROFILES):
        recording = simulate_recording("x", profile, seed=number, duration_s=60.0)
        assert recording.annotation is not None
        assert np.all(np.diff(recording.annotation.sample_B) >= 0)
        symbols |= set(recording.annotation.symbol_B.tolist())
    assert symbols == set("NLR/VAFfQaSJjeE+~")
    assert symbols - BEAT_SYMBOLS == {"+", "~"}


def test_a_recording_depends_on_its_seed_alone() -> None:
    first, again, other = (
        simulate_recording("x", PROFILES[0], seed=seed, duration_s=30.0).signal_CS for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


@pytest.mark.parametrize("number", range(len(PROFILES)))
def test_the_detector_finds_the_annotated_beats(number: int) -> None:
    recording = simulate_recording("x", PROFILES[number], seed=number, duration_s=60.0)
    annotation = recording.annotation
    assert annotation is not None
    detected_B = detect_r_peaks(recording.signal_CS[0], recording.sampling_rate_hz)
    found_B = label_detections(detected_B, annotation, recording.sampling_rate_hz)
    num_beats = int(np.isin(annotation.symbol_B, sorted(BEAT_SYMBOLS)).sum())
    assert abs(len(detected_B) - num_beats) <= 0.05 * num_beats
    assert (found_B != "").sum() >= 0.95 * num_beats
