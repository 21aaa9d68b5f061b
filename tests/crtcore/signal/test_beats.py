"""Classes, RR intervals, segments, and the matching of peaks."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtcore.signal.beats import (
    AAMI_CLASSES,
    BEAT_SYMBOLS,
    MORPHOLOGY_CLASSES,
    aami_labels,
    beat_amplitudes,
    label_detections,
    local_mean_rr,
    match_peaks,
    morphology_labels,
    segment_beats,
)
from crtcore.signal.recording import BeatAnnotation, IntArray
from crtcore.signal.spectrogram import SAMPLING_RATE_HZ
from crtcore.signal.wfdb_reader import list_records, read_recording

peaks = st.lists(st.integers(0, 3000), unique=True, max_size=40).map(
    lambda p: np.array(sorted(p), dtype=np.int64)
)


def test_symbols_map_to_their_classes() -> None:
    symbol_B = np.array(["N", "L", "R", "e", "j", "A", "a", "J", "S", "V", "E", "F", "/", "f", "Q", "+", ""])
    names = [AAMI_CLASSES[i] if i >= 0 else "" for i in aami_labels(symbol_B)]
    assert names == ["N"] * 5 + ["S"] * 4 + ["V"] * 2 + ["F"] + ["Q"] * 3 + [""] * 2
    names = [MORPHOLOGY_CLASSES[i] if i >= 0 else "" for i in morphology_labels(symbol_B)]
    assert names == ["N", "L", "R"] + [""] * 6 + ["V", "", "", "/"] + [""] * 4
    assert not BEAT_SYMBOLS & set('+~!"x|[]')
    assert aami_labels(symbol_B[:0]).shape == (0,)


def test_a_regular_rhythm_gives_its_rr_everywhere() -> None:
    beats = segment_beats(
        np.arange(300, 3301, 300),
        np.full(11, "N"),
        num_samples=3600,
        sampling_rate_hz=360.0,
        before_r_rr=0.4,
        after_r_rr=0.8,
    )
    assert len(beats) == 11
    assert (beats.r_sample_B - beats.start_B == 120).all()
    assert (beats.stop_B - beats.r_sample_B == 240).all()
    for rr_s_B in (beats.rr_previous_s_B, beats.rr_next_s_B):
        np.testing.assert_allclose(rr_s_B, 300 / 360, rtol=1e-6)
    np.testing.assert_allclose(beats.rr_ratio_B, 1, rtol=1e-6)


def test_rr_intervals_are_those_before_and_after() -> None:
    beats = segment_beats(
        np.array([500, 800, 1000, 1400]),
        np.array(["N", "N", "V", "N"]),
        num_samples=2500,
        sampling_rate_hz=100.0,
        before_r_rr=0.4,
        after_r_rr=0.8,
    )
    np.testing.assert_allclose(beats.rr_previous_s_B, [3, 3, 2, 4])
    np.testing.assert_allclose(beats.rr_next_s_B, [3, 2, 4, 4])
    np.testing.assert_allclose(beats.rr_ratio_B, [1, 1, 2 / 3, 4 / 3], rtol=1e-6)
    assert beats.symbol_B.tolist() == ["N", "N", "V", "N"]


def test_beats_that_leave_the_recording_are_dropped_but_still_count_for_rr() -> None:
    beats = segment_beats(
        np.array([100, 400, 700, 1000]),
        np.array(list("abcd")),
        num_samples=1200,
        sampling_rate_hz=360.0,
        before_r_rr=0.4,
        after_r_rr=0.8,
    )
    assert beats.symbol_B.tolist() == ["b", "c"]
    np.testing.assert_allclose(beats.rr_previous_s_B, 300 / 360, rtol=1e-6)


@given(num_samples=st.integers(60, 400), seed=st.integers(0, 99))
def test_amplitudes_are_peak_to_peak_in_each_segment(num_samples: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    signal_CS = generator.normal(size=(3, num_samples)).astype(np.float32)
    beats = segment_beats(
        np.arange(12, num_samples, 15),
        np.full(len(range(12, num_samples, 15)), "N"),
        num_samples=num_samples,
        sampling_rate_hz=100.0,
        before_r_rr=0.4,
        after_r_rr=0.8,
    )
    amplitude_BC = beat_amplitudes(signal_CS, beats)
    for amplitude_C, start, stop in zip(amplitude_BC, beats.start_B, beats.stop_B, strict=True):
        np.testing.assert_allclose(amplitude_C, np.ptp(signal_CS[:, start:stop], axis=1), rtol=1e-6)


def test_two_labels_at_one_sample_are_one_beat() -> None:
    beats = segment_beats(
        np.array([300, 600, 600, 900]),
        np.array(["N", "V", "N", "N"]),
        num_samples=1500,
        sampling_rate_hz=360.0,
        before_r_rr=0.4,
        after_r_rr=0.8,
    )
    assert beats.symbol_B.tolist() == ["N", "V", "N"]
    np.testing.assert_allclose(beats.rr_ratio_B, 1, rtol=1e-6)


@pytest.mark.parametrize("num_beats", [0, 1])
def test_without_an_rr_interval_there_are_no_beats(num_beats: int) -> None:
    beats = segment_beats(
        np.arange(num_beats) + 500,
        np.full(num_beats, "N"),
        num_samples=1000,
        sampling_rate_hz=360.0,
        before_r_rr=0.4,
        after_r_rr=0.8,
    )
    assert len(beats) == 0


def test_a_gap_does_not_stretch_its_neighbours_and_a_premature_beat_counts() -> None:
    steady = np.full(20, 0.8, dtype=np.float32)
    gap = steady.copy()
    gap[10] = 9.0
    np.testing.assert_allclose(local_mean_rr(gap), 0.8, rtol=1e-6)
    premature = steady.copy()
    premature[10:12] = 0.5, 1.1
    np.testing.assert_allclose(local_mean_rr(premature)[11], 0.8, rtol=1e-6)
    assert local_mean_rr(premature)[6] == pytest.approx(0.77, abs=1e-6)


@given(reference_B=peaks, detected_B=peaks, window=st.integers(0, 60))
def test_matching_is_one_to_one_within_the_window_and_leaves_no_pair_within_reach(
    reference_B: IntArray, detected_B: IntArray, window: int
) -> None:
    reference, detected = match_peaks(reference_B, detected_B, window)
    assert len(set(reference.tolist())) == len(reference) == len(set(detected.tolist()))
    assert (np.abs(reference_B[reference] - detected_B[detected]) <= window).all()
    left_R, left_D = np.delete(reference_B, reference), np.delete(detected_B, detected)
    assert (np.abs(left_R[:, None] - left_D[None, :]) > window).all()


def test_matching_prefers_the_nearest_then_pairs_what_is_left() -> None:
    reference, detected = match_peaks(np.array([100, 150]), np.array([140, 190]), 50)
    assert reference.tolist() == [1]
    assert detected.tolist() == [0]
    reference, detected = match_peaks(np.array([100, 150]), np.array([110, 140]), 50)
    assert reference.tolist() == detected.tolist() == [0, 1]


def test_detections_get_the_symbol_of_the_beat_they_are() -> None:
    annotation = BeatAnnotation(sample_B=np.array([100, 400, 700]), symbol_B=np.array(["N", "V", "A"]))
    detected_B = np.array([95, 250, 454, 699, 701])
    assert label_detections(detected_B, annotation, 360.0).tolist() == ["N", "", "V", "A", ""]
    nothing = BeatAnnotation(sample_B=np.array([], dtype=np.int64), symbol_B=np.array([], dtype="<U1"))
    assert label_detections(detected_B, nothing, 360.0).tolist() == [""] * 5


@pytest.mark.realdata
def test_segments_of_the_mit_bih_database_have_a_median_of_330_samples(data_dir: Path) -> None:
    folder = data_dir / "mitdb"
    lengths = []
    for record in list_records(folder)[::4]:
        recording = read_recording(folder / record, annotated=True)
        assert recording.annotation is not None
        beats = segment_beats(
            recording.annotation.sample_B,
            recording.annotation.symbol_B,
            num_samples=recording.num_samples,
            sampling_rate_hz=SAMPLING_RATE_HZ,
            before_r_rr=0.4,
            after_r_rr=0.8,
        )
        assert len(recording.annotation.sample_B) - len(beats) <= 3
        lengths.append(beats.stop_B - beats.start_B)
    assert 300 < np.median(np.concatenate(lengths)) < 360
