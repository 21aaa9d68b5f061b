"""Each acquisition change against what it states: frequency responses measured with sines, and the leads."""

import numpy as np
import pytest

from benchmarks import acquisition
from benchmarks.acquisition import CHANGES, HIGH_PASS_HZ, LOW_PASS_HZ, NOTCH_HZ, NOTCH_QUALITY
from crtcore.signal.recording import Recording

RATE_HZ = 1000.0
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def sine(frequency_hz: float, *, rate_hz: float = RATE_HZ) -> Recording:
    """Long enough for the start of a filter to be over in the second half."""
    duration_s = max(40.0, 60 / frequency_hz)
    time_s_S = np.arange(round(duration_s * rate_hz)) / rate_hz
    signal_S = np.sin(2 * np.pi * frequency_hz * time_s_S)
    return Recording(
        record_id="sine",
        patient_id="nobody",
        leads=("I",),
        sampling_rate_hz=rate_hz,
        signal_CS=signal_S[None].astype(np.float32),
    )


def gain_db(change: acquisition.Change, frequency_hz: float) -> float:
    """20 log10 of the output's amplitude over the input's, in the settled second half."""
    before = sine(frequency_hz)
    after = change(before, np.random.default_rng(0))
    half = before.num_samples // 2
    ratio = after.signal_CS[0, half:].std() / before.signal_CS[0, half:].std()
    return float(20 * np.log10(max(ratio, 1e-9)))


@pytest.mark.parametrize("cutoff_hz", HIGH_PASS_HZ)
def test_a_high_pass_has_its_stated_response(cutoff_hz: float) -> None:
    change = CHANGES[f"high-pass {cutoff_hz:g} Hz"]
    assert gain_db(change, cutoff_hz) == pytest.approx(-3.01, abs=0.1)
    assert gain_db(change, cutoff_hz / 10) == pytest.approx(-20.04, abs=0.2)  # 20 dB a decade
    assert gain_db(change, 10.0) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("cutoff_hz", LOW_PASS_HZ)
def test_a_low_pass_has_its_stated_response(cutoff_hz: float) -> None:
    change = CHANGES[f"low-pass {cutoff_hz:g} Hz"]
    assert gain_db(change, cutoff_hz) == pytest.approx(-3.01, abs=0.1)
    assert gain_db(change, 2 * cutoff_hz) < -24  # 24 dB an octave, and more near half the sampling rate
    assert gain_db(change, cutoff_hz / 4) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("mains_hz", NOTCH_HZ)
def test_a_notch_removes_the_mains_and_little_else(mains_hz: float) -> None:
    change = CHANGES[f"notch {mains_hz:g} Hz"]
    half_width_hz = mains_hz / NOTCH_QUALITY / 2
    assert gain_db(change, mains_hz) < -40
    assert gain_db(change, mains_hz + half_width_hz) == pytest.approx(-3.01, abs=0.3)
    assert gain_db(change, mains_hz - half_width_hz) == pytest.approx(-3.01, abs=0.3)
    assert gain_db(change, mains_hz / 2) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("rate_hz", acquisition.RATES_HZ)
def test_another_sampling_rate_keeps_the_heart_and_removes_what_would_alias(rate_hz: float) -> None:
    slow = acquisition.sampled_at(sine(10.0), rate_hz)
    assert slow.sampling_rate_hz == rate_hz
    assert slow.num_samples == round(sine(10.0).num_samples * rate_hz / RATE_HZ)
    expected_S = np.sin(2 * np.pi * 10.0 * np.arange(slow.num_samples) / rate_hz)
    middle = slice(slow.num_samples // 4, 3 * slow.num_samples // 4)
    np.testing.assert_allclose(slow.signal_CS[0, middle], expected_S[middle], atol=0.01)
    if rate_hz < RATE_HZ:
        aliased = acquisition.sampled_at(sine(0.45 * RATE_HZ), rate_hz).signal_CS[0, middle]
        assert aliased.std() < 0.05


def test_an_adc_has_steps() -> None:
    stored = acquisition.quantised(sine(1.0), 0.01).signal_CS[0]
    np.testing.assert_allclose(stored / 0.01, np.round(stored / 0.01), atol=1e-4)
    assert np.abs(stored - sine(1.0).signal_CS[0]).max() <= 0.005 + 1e-6


def twelve_leads() -> Recording:
    rng = np.random.default_rng(3)
    return Recording(
        record_id="r",
        patient_id="p",
        leads=LEADS,
        sampling_rate_hz=500.0,
        signal_CS=rng.normal(size=(12, 5000)).astype(np.float32),
    )


@pytest.mark.parametrize(
    ("change", "low_hz", "high_hz", "sd_mv"),
    [(acquisition.wandering, 0.05, 0.5, 0.1), (acquisition.with_muscle_noise, 20.0, 150.0, 0.025)],
)
def test_noise_has_its_band_and_its_size(
    change: acquisition.Change, low_hz: float, high_hz: float, sd_mv: float
) -> None:
    before = twelve_leads()
    added_CS = change(before, np.random.default_rng(0)).signal_CS - before.signal_CS
    np.testing.assert_allclose(added_CS.std(axis=1), sd_mv, rtol=0.01)
    power_CF = np.abs(np.fft.rfft(added_CS, axis=1)) ** 2
    frequency_F = np.fft.rfftfreq(before.num_samples, 1 / before.sampling_rate_hz)
    outside_F = (frequency_F < low_hz - 0.06) | (frequency_F > high_hz + 0.11)
    assert power_CF[:, outside_F].sum() < 1e-3 * power_CF.sum()


def test_reversed_arms_obey_einthoven() -> None:
    """With RA and LA exchanged, I = LA - RA changes its sign, and II = LL - RA is what III = LL - LA was."""
    before, after = twelve_leads(), acquisition.arms_reversed(twelve_leads())
    row = {lead: number for number, lead in enumerate(LEADS)}
    np.testing.assert_array_equal(after.signal_CS[row["I"]], -before.signal_CS[row["I"]])
    for one, other in (("II", "III"), ("III", "II"), ("aVR", "aVL"), ("aVL", "aVR"), ("aVF", "aVF")):
        np.testing.assert_array_equal(after.signal_CS[row[one]], before.signal_CS[row[other]])


def test_displaced_electrodes_mix_neighbours_and_leave_the_limb_leads() -> None:
    before, after = twelve_leads(), acquisition.displaced(twelve_leads())
    np.testing.assert_array_equal(after.signal_CS[:6], before.signal_CS[:6])
    np.testing.assert_allclose(
        after.signal_CS[6], 0.7 * before.signal_CS[6] + 0.3 * before.signal_CS[7], atol=1e-5
    )


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_gives_a_usable_recording(name: str) -> None:
    after = CHANGES[name](twelve_leads(), np.random.default_rng(0))
    assert after.leads == LEADS
    assert after.signal_CS.dtype == np.float32
    assert np.isfinite(after.signal_CS).all()


def test_another_machine_follows_from_the_seed() -> None:
    first, again = (acquisition.another_machine(twelve_leads(), 1) for _ in range(2))
    np.testing.assert_array_equal(first.signal_CS, again.signal_CS)
    other = acquisition.another_machine(twelve_leads(), 2)
    assert other.signal_CS.shape != first.signal_CS.shape or not np.array_equal(
        other.signal_CS, first.signal_CS
    )
