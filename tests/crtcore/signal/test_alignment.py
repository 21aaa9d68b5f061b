"""Same, alike, or neither."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from crtcore.signal.alignment import ALIKE, likeness, prepared
from crtcore.signal.recording import Recording
from crtcore.signal.resample import resample


def walk(seed: int, num_samples: int = 5000) -> Recording:
    """Smooth noise of about 0.3 mV between 1 and 15 Hz."""
    generator = np.random.default_rng(seed)
    hz_F = np.fft.rfftfreq(num_samples, 1 / 500)
    spectrum_CF = generator.normal(size=(2, len(hz_F), 2)) @ np.array([1, 1j])
    spectrum_CF[:, (hz_F < 1) | (hz_F > 15)] = 0
    signal_CS = np.fft.irfft(spectrum_CF, num_samples)
    signal_CS *= 0.3 / signal_CS.std(axis=1, keepdims=True)
    return Recording(
        record_id="r",
        patient_id="p",
        leads=("II", "V1"),
        sampling_rate_hz=500,
        signal_CS=signal_CS.astype(np.float32),
    )


def changed(recording: Recording, signal_CS: npt.NDArray[np.floating]) -> Recording:
    return replace(recording, signal_CS=signal_CS.astype(np.float32))


ONE = walk(0)


@pytest.mark.parametrize(
    "other",
    [
        ONE,
        changed(ONE, np.round(ONE.signal_CS * 200) / 200),
        changed(ONE, ONE.signal_CS + np.float32(0.4)),
        resample(ONE, 360),
        changed(ONE, ONE.signal_CS[:, :-1]),
    ],
)
def test_a_copy_that_was_saved_again_is_the_same(other: Recording) -> None:
    found = likeness(prepared(ONE), prepared(other), lead=0, lag_s=0.0)
    assert found.same and found.alike and found.correlation > 0.99


@pytest.mark.parametrize("shift", [250, 251, 777])
def test_a_shifted_copy_is_alike_and_its_shift_is_known(shift: int) -> None:
    other = changed(ONE, ONE.signal_CS[:, shift:])
    found = likeness(prepared(ONE), prepared(other), lead=1, lag_s=-shift / 500 + 0.012)
    assert found.alike and not found.same and found.correlation > 0.995
    assert found.lead == "V1" and found.shift_s == pytest.approx(-shift / 500, abs=0.009)


def test_a_rescaled_copy_is_alike_and_not_the_same() -> None:
    found = likeness(prepared(ONE), prepared(changed(ONE, -3 * ONE.signal_CS)), lead=0, lag_s=0.0)
    assert found.alike and not found.same


def test_a_copy_with_one_other_lead_is_not_the_same() -> None:
    other = changed(ONE, np.stack([ONE.signal_CS[0], walk(1).signal_CS[1]]))
    found = likeness(prepared(ONE), prepared(other), lead=0, lag_s=0.0)
    assert found.alike and not found.same


def test_others_are_not_alike() -> None:
    found = likeness(prepared(ONE), prepared(walk(1)), lead=0, lag_s=0.0)
    assert not found.alike and found.correlation < ALIKE


def test_one_large_artefact_in_both_makes_nothing_alike() -> None:
    spike_S = np.zeros(5000)
    spike_S[2400:2500] = 50 * np.hanning(100)
    one, other = (changed(each, each.signal_CS + spike_S) for each in (ONE, walk(1)))
    assert not likeness(prepared(one), prepared(other), lead=0, lag_s=0.0).alike


def test_too_little_overlap_decides_nothing() -> None:
    other = changed(ONE, ONE.signal_CS[:, 3500:])
    later = changed(ONE, np.concatenate([other.signal_CS, walk(1).signal_CS], axis=1))
    assert not likeness(prepared(ONE), prepared(later), lead=0, lag_s=-7.0).alike
