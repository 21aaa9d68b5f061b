import numpy as np
import pytest
from scipy.stats import kurtosis

from crtcore.signal.noise import noisy_leads, quality_indices
from crtcore.signal.recording import FloatArray

RATE_HZ = 360.0


def ecg(num_seconds: float, qrs_sigma_s: float = 0.012) -> FloatArray:
    """One lead of 1 mV R peaks at 75 per minute with T waves, without noise."""
    time_S = np.arange(round(num_seconds * RATE_HZ)) / RATE_HZ
    phase_S = (time_S % 0.8) - 0.3
    qrs_S = np.exp(-0.5 * (phase_S / qrs_sigma_s) ** 2)
    return np.asarray(qrs_S + 0.25 * np.exp(-0.5 * ((phase_S - 0.28) / 0.045) ** 2), dtype=np.float32)[None]


def noise(num_seconds: float, rms_mv: float) -> FloatArray:
    generator = np.random.default_rng(1)
    return generator.normal(0, rms_mv, (1, round(num_seconds * RATE_HZ))).astype(np.float32)


def test_indices_tell_heart_from_noise() -> None:
    ksqi_CW, psqi_CW = quality_indices(np.concatenate([ecg(10), noise(10, 0.5)]), RATE_HZ)
    assert ksqi_CW.shape == psqi_CW.shape == (2, 1)
    assert ksqi_CW[0, 0] > 8
    assert ksqi_CW[1, 0] == pytest.approx(3, abs=0.3)
    assert psqi_CW[1, 0] == pytest.approx(10 / 35, abs=0.08)  # white noise: the ratio of the band widths


def test_ksqi_is_the_kurtosis_of_each_window() -> None:
    white_CS = noise(25, 0.5)
    ksqi_CW, _ = quality_indices(white_CS, RATE_HZ)
    expected = kurtosis(white_CS[0, :7200].reshape(2, 3600), axis=1, fisher=False)
    np.testing.assert_allclose(ksqi_CW[0], expected, rtol=0.05)  # baseline removal changes it a little


@pytest.mark.parametrize("rms_mv", [0.0, 0.02, 0.05])
def test_a_clean_lead_is_not_noisy(rms_mv: float) -> None:
    assert not noisy_leads(ecg(10) + noise(10, rms_mv), RATE_HZ)[0]


def test_a_lead_drowned_in_noise_is_noisy() -> None:
    drowned_CS = ecg(10) + noise(10, 0.6)
    assert noisy_leads(drowned_CS, RATE_HZ)[0]


def test_broad_complexes_are_not_taken_for_noise() -> None:
    """A paced rhythm: kurtosis near that of noise, but the power lies low."""
    broad_CS = ecg(10, qrs_sigma_s=0.06) + noise(10, 0.02)
    ksqi_CW, psqi_CW = quality_indices(broad_CS, RATE_HZ)
    assert ksqi_CW[0, 0] < 4 and psqi_CW[0, 0] > 0.7
    assert not noisy_leads(broad_CS, RATE_HZ)[0]


def test_an_artefact_in_passing_does_not_condemn_a_long_lead() -> None:
    clean_CS, drowned_CS = ecg(60), ecg(10) + noise(10, 0.6)
    assert not noisy_leads(np.concatenate([clean_CS, drowned_CS], axis=1), RATE_HZ)[0]
    assert noisy_leads(np.concatenate([clean_CS, *[drowned_CS] * 3], axis=1), RATE_HZ)[0]


def test_a_constant_or_missing_lead_has_no_index_and_is_not_noisy() -> None:
    signal_CS = np.stack([np.full(3600, 0.7), np.full(3600, np.nan)]).astype(np.float32)
    ksqi_CW, psqi_CW = quality_indices(signal_CS, RATE_HZ)
    assert np.isnan(ksqi_CW).all() and np.isnan(psqi_CW).all()
    assert not noisy_leads(signal_CS, RATE_HZ).any()
