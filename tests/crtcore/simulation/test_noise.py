import numpy as np
import pytest

from crtcore.simulation.noise import NoiseLevels, band_noise, noise


def test_band_noise_has_unit_size_and_stays_in_its_band() -> None:
    wave_CS = band_noise(np.random.default_rng(0), (4, 20_000), 500.0, low_hz=20.0, high_hz=150.0)
    np.testing.assert_allclose(wave_CS.std(axis=1), 1.0, atol=0.03)
    power_F = (np.abs(np.fft.rfft(wave_CS, axis=1)) ** 2).sum(axis=0)
    frequency_hz_F = np.fft.rfftfreq(20_000, 1 / 500)
    inside_F = (frequency_hz_F >= 19.5) & (frequency_hz_F <= 150.5)
    assert power_F[inside_F].sum() > 0.99 * power_F.sum()


def test_band_noise_of_a_short_recording_keeps_its_slowest_frequency() -> None:
    wave_CS = band_noise(np.random.default_rng(0), (200, 1_000), 500.0, low_hz=0.02, high_hz=0.3)
    assert wave_CS.std() == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize(
    ("level", "low_hz", "high_hz"),
    [("wander_mv", 0.0, 1.0), ("muscle_mv", 18.0, 152.0), ("mains_mv", 49.5, 50.5)],
)
def test_each_kind_of_noise_lies_in_its_band(level: str, low_hz: float, high_hz: float) -> None:
    amounts = dict.fromkeys(("wander_mv", "muscle_mv", "mains_mv", "amplifier_mv"), 0.0) | {level: 0.1}
    noise_CS = noise(
        np.random.default_rng(1),
        NoiseLevels(**amounts, mains_hz=50.0, respiration_hz=0.25),
        num_leads=8,
        num_samples=10_000,
        sampling_rate_hz=500.0,
    )
    power_F = (np.abs(np.fft.rfft(noise_CS, axis=1)) ** 2).sum(axis=0)
    frequency_hz_F = np.fft.rfftfreq(10_000, 1 / 500)
    inside_F = (frequency_hz_F >= low_hz) & (frequency_hz_F <= high_hz)
    assert power_F[inside_F].sum() > 0.98 * power_F.sum()
    assert 0.02 < noise_CS.std() < 0.3
    assert len(np.unique(noise_CS.std(axis=1))) == 8  # each lead its own share
