"""The measures of signals that are known exactly."""

import math

import numpy as np
import pytest

from crtcore.signal.measures import MEASURES, recording_measures
from crtcore.signal.recording import Recording


def of(signal_S: np.ndarray, rate: float = 500.0) -> Recording:
    return Recording(
        record_id="r",
        patient_id="p",
        leads=("I", "II"),
        sampling_rate_hz=rate,
        signal_CS=np.stack([signal_S, signal_S]).astype(np.float32),
    )


TIME_S = np.arange(5000) / 500.0


def test_amplitude_heart_rate_and_sampling_rate() -> None:
    found = recording_measures(of(0.7 * np.sin(2 * np.pi * 10 * TIME_S)), np.array([1.0, 1.8, 2.6, 3.6]))
    assert set(found) == set(MEASURES)
    assert found["amplitude_mv"] == pytest.approx(1.4, abs=0.01)
    assert found["heart_rate_per_min"] == pytest.approx(75.0)
    assert found["sampling_rate_hz"] == 500.0
    assert found["psqi"] == pytest.approx(1.0, abs=1e-3)
    assert found["ksqi"] == pytest.approx(1.5, abs=0.01)  # of a sine


@pytest.mark.parametrize(
    ("hz", "share"),
    [
        (0.5, "power_below_1_hz_percent"),
        (70.0, "power_40_to_100_hz_percent"),
        (50.0, "power_at_mains_percent"),
        (60.0, "power_at_mains_percent"),
    ],
)
def test_power_is_a_share_of_that_below_100_hz(hz: float, share: str) -> None:
    signal_S = np.sin(2 * np.pi * 10 * TIME_S) + np.sin(2 * np.pi * hz * TIME_S)
    signal_S = signal_S + 3 * np.sin(2 * np.pi * 150 * TIME_S) + 5.0  # neither counts
    found = recording_measures(of(signal_S), np.array([1.0, 2.0]))
    assert found[share] == pytest.approx(50.0, abs=1.0)


def test_what_a_low_rate_does_not_hold_is_not_a_number() -> None:
    rate_50 = recording_measures(of(np.sin(np.arange(500) / 5.0), rate=50.0), np.array([1.0]))
    assert math.isnan(rate_50["power_40_to_100_hz_percent"])
    assert math.isnan(rate_50["power_at_mains_percent"])
    assert math.isnan(rate_50["heart_rate_per_min"])


def test_a_signal_that_does_not_move_has_no_shares() -> None:
    found = recording_measures(of(np.zeros(5000)), np.array([]))
    assert found["amplitude_mv"] == 0
    assert math.isnan(found["power_below_1_hz_percent"])
    assert math.isnan(found["ksqi"])
