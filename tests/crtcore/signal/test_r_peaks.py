"""R peaks of made-up leads of every kind, and the figures on the MIT-BIH database."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.ec57 import gross, score_beats
from crtcore.errors import DataError
from crtcore.signal.r_peaks import detect_r_peaks
from crtcore.signal.recording import FloatArray, IntArray
from crtcore.signal.wfdb_reader import list_records, read_flutter_intervals, read_recording


def a_lead(
    rate_hz: float,
    *,
    seconds: float = 60,
    qrs_width_s: float = 0.015,
    amplitude_mv: float = 1.0,
    t_wave: float = 0.3,
    noise_mv: float = 0.02,
    seed: int = 0,
) -> tuple[FloatArray, IntArray]:
    """P wave, QRS, T wave, wander and noise at a slightly irregular 75 a minute; and the R samples."""
    rng = np.random.default_rng(seed)
    r_s = np.cumsum(rng.normal(0.8, 0.04, int(seconds / 0.8) - 1)) + 0.2
    time_S = np.arange(int(seconds * rate_hz)) / rate_hz
    signal_S = 0.3 * np.sin(2 * np.pi * 0.2 * time_S) + rng.normal(0, noise_mv, len(time_S))
    for r in r_s:
        for offset_s, width_s, size in ((0, qrs_width_s, 1.0), (0.28, 0.09, t_wave), (-0.16, 0.025, 0.12)):
            signal_S += amplitude_mv * size * np.exp(-(((time_S - r - offset_s) / width_s) ** 2))
    return signal_S.astype(np.float32), np.rint(r_s * rate_hz).astype(np.int64)


def assert_all_found(
    signal_S: FloatArray, r_sample_B: IntArray, rate_hz: float, within_s: float = 0.02
) -> None:
    detected_B = detect_r_peaks(signal_S, rate_hz)
    assert detected_B.dtype == np.int64
    assert len(detected_B) == len(r_sample_B)
    assert np.abs(detected_B - r_sample_B).max() <= within_s * rate_hz


@pytest.mark.parametrize("rate_hz", [100.0, 128.0, 250.0, 360.0, 500.0, 1000.0, 2000.0])
def test_every_rate(rate_hz: float) -> None:
    assert_all_found(*a_lead(rate_hz), rate_hz)


@pytest.mark.parametrize("seconds", [5, 10, 30])
def test_short_recordings(seconds: float) -> None:
    assert_all_found(*a_lead(500.0, seconds=seconds), 500.0)


@pytest.mark.parametrize("amplitude_mv", [-2.0, -0.2, 0.2, 5.0])
def test_small_large_and_inverted(amplitude_mv: float) -> None:
    assert_all_found(*a_lead(360.0, amplitude_mv=amplitude_mv, noise_mv=0.005), 360.0)


def test_an_inverted_lead_has_the_same_peaks() -> None:
    signal_S, _ = a_lead(360.0, noise_mv=0.1)
    assert np.array_equal(detect_r_peaks(signal_S, 360.0), detect_r_peaks(-signal_S, 360.0))


def test_tall_t_waves() -> None:
    assert_all_found(*a_lead(360.0, t_wave=1.2), 360.0)


def test_wide_beats() -> None:
    assert_all_found(*a_lead(360.0, qrs_width_s=0.04, t_wave=0.2), 360.0)


def test_pacing_spikes_before_wide_beats() -> None:
    signal_S, r_sample_B = a_lead(360.0, qrs_width_s=0.035)
    signal_S[r_sample_B - 36] += 2.0  # one sample, 100 ms before
    detected_B = detect_r_peaks(signal_S, 360.0)
    assert len(detected_B) == len(r_sample_B)
    assert np.abs(detected_B - r_sample_B).max() <= 54


@pytest.mark.parametrize("value", [np.nan, 0.0, 5.0])
def test_lost_and_saturated_stretches_hold_no_beats_and_spoil_none(value: float) -> None:
    signal_S, r_sample_B = a_lead(360.0)
    first, last = 18 * 360, 30 * 360
    signal_S[first:last] = value
    detected_B = detect_r_peaks(signal_S, 360.0)
    assert not ((detected_B > first + 72) & (detected_B < last - 72)).any()
    outside_B = r_sample_B[(r_sample_B < first - 72) | (r_sample_B > last + 72)]
    far_B = detected_B[(detected_B < first - 72) | (detected_B > last + 72)]
    assert len(far_B) == len(outside_B)
    assert np.abs(far_B - outside_B).max() <= 7


@pytest.mark.parametrize(
    "signal_S", [np.zeros(5000), np.full(5000, np.nan), np.full(5000, 3.0), np.zeros(0), np.ones(99)]
)
def test_where_there_is_no_ecg_there_are_no_beats(signal_S: FloatArray) -> None:
    assert detect_r_peaks(signal_S.astype(np.float32), 360.0).shape == (0,)


def test_too_low_a_rate_is_refused() -> None:
    with pytest.raises(DataError, match=r"40 Hz.*50 Hz"):
        detect_r_peaks(np.zeros(1000, dtype=np.float32), 40.0)


@pytest.mark.realdata
def test_the_heldout_half_of_the_mit_bih_database(data_dir: Path) -> None:
    """The constants were chosen on the even places of the sorted list; these are the odd ones."""
    folder = data_dir / "mitdb"
    scores = []
    for record in list_records(folder)[1::2]:
        recording = read_recording(folder / record, annotated=True)
        assert recording.annotation is not None
        scores.append(
            score_beats(
                recording.annotation.sample_B,
                detect_r_peaks(recording.signal_CS[0], recording.sampling_rate_hz),
                sampling_rate_hz=recording.sampling_rate_hz,
                excluded=read_flutter_intervals(folder / record),
            )
        )
    score = gross(scores)
    assert score.sensitivity >= 0.9985
    assert score.positive_predictivity >= 0.9985
    assert score.detection_error_rate <= 0.0025
