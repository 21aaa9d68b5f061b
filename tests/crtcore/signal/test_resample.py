"""Change of rate: times, amplitudes and missing samples keep their place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crtcore.signal.recording import BeatAnnotation, Recording
from crtcore.signal.resample import resample


def recording_of(signal_S: np.ndarray, rate_hz: float, beats: list[int] | None = None) -> Recording:
    annotation = None
    if beats is not None:
        annotation = BeatAnnotation(
            sample_B=np.array(beats, dtype=np.int64), symbol_B=np.full(len(beats), "N")
        )
    return Recording(
        record_id="r",
        patient_id="p",
        leads=("II",),
        sampling_rate_hz=rate_hz,
        signal_CS=signal_S[None].astype(np.float32),
        annotation=annotation,
    )


@settings(max_examples=30, deadline=None)
@given(
    source_hz=st.sampled_from([100.0, 128.0, 250.0, 257.0, 360.0, 500.0, 1000.0]),
    target_hz=st.sampled_from([100.0, 250.0, 360.0, 500.0]),
    frequency_hz=st.floats(1, 30),
)
def test_a_sine_keeps_its_frequency_amplitude_and_length(
    source_hz: float, target_hz: float, frequency_hz: float
) -> None:
    time_S = np.arange(int(10 * source_hz)) / source_hz
    resampled = resample(recording_of(np.sin(2 * np.pi * frequency_hz * time_S), source_hz), target_hz)
    assert resampled.sampling_rate_hz == target_hz
    assert abs(resampled.num_samples - 10 * target_hz) <= 1
    expected_S = np.sin(2 * np.pi * frequency_hz * np.arange(resampled.num_samples) / target_hz)
    inside = slice(int(target_hz), -int(target_hz))
    np.testing.assert_allclose(resampled.signal_CS[0, inside], expected_S[inside], atol=0.02)


def test_nothing_folds_back_from_above_half_the_new_rate() -> None:
    time_S = np.arange(10_000) / 1000
    resampled = resample(recording_of(np.sin(2 * np.pi * 300 * time_S), 1000.0), 250.0)
    assert np.abs(resampled.signal_CS[0, 250:-250]).max() < 0.01


def test_an_annotated_spike_is_still_at_its_annotation() -> None:
    signal_S = np.zeros(5000)
    signal_S[[700, 2503]] = 1
    for rate_hz in (250.0, 360.0, 1000.0):
        resampled = resample(recording_of(signal_S, 500.0, [700, 2503]), rate_hz)
        assert resampled.annotation is not None
        for sample in resampled.annotation.sample_B:
            assert abs(int(resampled.signal_CS[0, sample - 5 : sample + 6].argmax()) - 5) <= 1


def test_an_annotation_of_the_last_sample_stays_inside() -> None:
    resampled = resample(recording_of(np.zeros(1001), 1000.0, [1000]), 360.0)
    assert resampled.annotation is not None
    assert resampled.annotation.sample_B[0] < resampled.num_samples


def test_missing_samples_are_missing_at_the_new_rate() -> None:
    signal_S = np.ones(5000)
    signal_S[1000:2000] = np.nan
    missing_S = np.isnan(resample(recording_of(signal_S, 500.0), 360.0).signal_CS[0])
    assert abs(int(missing_S.sum()) - 720) <= 2
    assert missing_S[725:1435].all()


@pytest.mark.parametrize("rate_hz", [360.0, 360])
def test_the_same_rate_is_the_same_recording(rate_hz: float) -> None:
    recording = recording_of(np.arange(1000.0), 360.0)
    assert resample(recording, rate_hz) is recording
