"""The noise of an ECG: baseline wander, muscle, mains hum and amplifier."""

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfftfreq

from crtcore.simulation.dipole import Float64Array


@dataclass(frozen=True, kw_only=True)
class NoiseLevels:
    """Standard deviations in mV (for the hum, its amplitude), and the frequencies of mains and breathing."""

    wander_mv: float
    muscle_mv: float
    mains_mv: float
    amplifier_mv: float = 0.003
    mains_hz: float
    respiration_hz: float


def draw_noise_levels(rng: np.random.Generator, *, mains_hz: float, respiration_hz: float) -> NoiseLevels:
    """Random noise levels of one patient."""
    return NoiseLevels(
        wander_mv=rng.uniform(0.02, 0.10),
        muscle_mv=0.005 * rng.lognormal(0.0, 0.6),
        mains_mv=rng.uniform(0.0, 0.008),
        mains_hz=mains_hz,
        respiration_hz=respiration_hz,
    )


def noise(
    rng: np.random.Generator,
    levels: NoiseLevels,
    *,
    num_leads: int,
    num_samples: int,
    sampling_rate_hz: float,
) -> Float64Array:
    """Noise in mV, shape (leads, samples). Each lead has its own share of each kind."""
    shape = (num_leads, num_samples)
    time_s_S = np.arange(num_samples) / sampling_rate_hz
    share_C1 = rng.uniform(0.5, 1.5, size=(num_leads, 1))
    breathing_CS = np.sin(
        2 * np.pi * levels.respiration_hz * time_s_S + rng.uniform(0, 2 * np.pi, size=(num_leads, 1))
    )
    drift_CS = band_noise(rng, shape, sampling_rate_hz, low_hz=0.02, high_hz=0.6)
    tension_CS = np.exp(0.45 * band_noise(rng, shape, sampling_rate_hz, low_hz=0.02, high_hz=0.3))
    muscle_CS = band_noise(rng, shape, sampling_rate_hz, low_hz=20.0, high_hz=150.0)
    hum_S = np.sin(2 * np.pi * levels.mains_hz * time_s_S + rng.uniform(0, 2 * np.pi))
    return (
        levels.wander_mv * share_C1 * (0.6 * breathing_CS + 0.8 * drift_CS)
        + levels.muscle_mv * share_C1 * tension_CS * muscle_CS
        + levels.mains_mv * rng.uniform(0.2, 1.0, size=(num_leads, 1)) * hum_S
        + levels.amplifier_mv * rng.normal(size=shape)
    )


def band_noise(
    rng: np.random.Generator,
    shape: tuple[int, int],
    sampling_rate_hz: float,
    *,
    low_hz: float,
    high_hz: float,
) -> Float64Array:
    """Gaussian noise of standard deviation 1 with a flat spectrum from `low_hz` to `high_hz`, 0 outside.

    If the band is too narrow for the length of the recording, it keeps its nearest frequency.
    """
    num_leads, num_samples = shape
    size = next_fast_len(num_samples, real=True)
    frequency_hz_F = rfftfreq(size, 1 / sampling_rate_hz)
    inside_F = (frequency_hz_F >= low_hz) & (frequency_hz_F <= high_hz)
    inside_F[max(1, int(np.searchsorted(frequency_hz_F, low_hz)))] = True
    real_CF, imaginary_CF = rng.normal(size=(2, num_leads, int(inside_F.sum())))
    spectrum_CF = np.zeros((num_leads, len(frequency_hz_F)), dtype=complex)
    spectrum_CF[:, inside_F] = real_CF + 1j * imaginary_CF
    wave_CS: Float64Array = irfft(spectrum_CF, n=size)[:, :num_samples]
    wave_CS *= size / (2 * np.sqrt(inside_F.sum()))
    return wave_CS
