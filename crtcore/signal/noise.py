"""Signal quality indices, and the leads with more noise than heartbeat."""

from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.signal.highpass import high_pass
from crtcore.signal.recording import FloatArray

WINDOW_S: Final = 10.0
MIN_KSQI: Final = 4.0
"""Noise has a kurtosis of 3; 99.8 % of the leads of clean normal 12-lead ECGs (PTB-XL) lie above 4. The 5 of
Clifford et al. would call wide QRS complexes noise.
"""
MAX_NOISE_PSQI: Final = 0.7
"""Paced beats and wide QRS complexes have a kurtosis near 4 too, but a pSQI of 0.9 (MIT-BIH 107, MLII)."""
NOISY_SHARE: Final = 0.20
"""Of the windows: a short artefact does not make a long recording noisy."""
_CONSTANT_MV2: Final = 1e-12  # the variance that rounding leaves


def noisy_leads(signal_CS: FloatArray, sampling_rate_hz: float) -> npt.NDArray[np.bool_]:
    """Whether a lead is too noisy, shape (leads,): kSQI and pSQI are low in over a fifth of its windows."""
    ksqi_CW, psqi_CW = quality_indices(signal_CS, sampling_rate_hz)
    noisy_CW = (ksqi_CW < MIN_KSQI) & (psqi_CW < MAX_NOISE_PSQI)
    return np.asarray(noisy_CW.mean(axis=1) > NOISY_SHARE)


def quality_indices(signal_CS: FloatArray, sampling_rate_hz: float) -> tuple[FloatArray, FloatArray]:
    """kSQI and pSQI of every 10-s window (of the whole, if shorter), each of shape (leads, windows).

    kSQI is the kurtosis (Li, Mark & Clifford 2008, Physiol. Meas. 29:15), pSQI the power at 5-15 Hz over
    that at 5-40 Hz (Clifford et al. 2012, Physiol. Meas. 33:1419), both without baseline wander, missing
    samples (NaN) set to 0. Both are NaN in a constant window.
    """
    num = min(round(WINDOW_S * sampling_rate_hz), signal_CS.shape[1])
    num_windows = signal_CS.shape[1] // num
    filtered_CS = np.nan_to_num(high_pass(signal_CS, sampling_rate_hz), nan=0.0)[:, : num_windows * num]
    window_CWS = filtered_CS.reshape(len(signal_CS), num_windows, num).astype(np.float64)
    window_CWS -= window_CWS.mean(axis=2, keepdims=True)
    variance_CW = (window_CWS**2).mean(axis=2)
    variance_CW[variance_CW < _CONSTANT_MV2] = np.nan
    ksqi_CW = (window_CWS**4).mean(axis=2) / variance_CW**2
    power_CWF = np.abs(np.fft.rfft(window_CWS * np.hanning(num), axis=2)) ** 2
    frequency_F = np.fft.rfftfreq(num, 1 / sampling_rate_hz)
    qrs_CW = power_CWF[:, :, (frequency_F >= 5) & (frequency_F <= 15)].sum(axis=2)
    both_CW = power_CWF[:, :, (frequency_F >= 5) & (frequency_F <= 40)].sum(axis=2)
    psqi_CW = qrs_CW / np.where(np.isnan(variance_CW), np.nan, both_CW)
    return ksqi_CW.astype(np.float32), psqi_CW.astype(np.float32)
