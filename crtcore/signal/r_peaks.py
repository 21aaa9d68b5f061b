"""R-peak detection: Chebyshev I band-pass and Shannon energy envelope.

Manikandan & Soman 2012 (Biomed. Signal Process. Control 7:118); Kathirvel et al. 2011 (doi 10.1007/s13239-011-0065-3).
"""

import numpy as np
from scipy.signal import cheby1, sosfiltfilt

from crtcore.signal.highpass import bridge_missing
from crtcore.signal.recording import FloatArray, IntArray


def detect_r_peaks(signal_S: FloatArray, sampling_rate_hz: float) -> IntArray:
    """Sample numbers of the R peaks of one lead, ascending."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d
    from scipy.signal import find_peaks

    fs = sampling_rate_hz
    if len(signal_S) < fs:
        return np.empty(0, dtype=np.int64)
    sos = cheby1(2, 1, [6, 18], btype="bandpass", fs=fs, output="sos")
    filtered_S = sosfiltfilt(sos, bridge_missing(signal_S[None])[0])
    slope_S = np.diff(filtered_S, prepend=filtered_S[0])
    scale_S = np.sqrt(uniform_filter1d(slope_S**2, int(10 * fs))) * 6 + 1e-9
    a_S = np.clip(np.abs(slope_S) / scale_S, 1e-9, 1)
    energy_S = -(a_S**2) * np.log(a_S**2)
    envelope_S = uniform_filter1d(uniform_filter1d(energy_S, int(0.15 * fs)), int(0.1 * fs))
    peaks, _ = find_peaks(envelope_S, distance=int(0.25 * fs))
    high = uniform_filter1d(maximum_filter1d(envelope_S, int(1.5 * fs)), int(5 * fs))
    peaks = peaks[envelope_S[peaks] > 0.25 * high[peaks]]
    reach = int(0.08 * fs)
    r = [
        max(0, p - reach) + int(np.argmax(np.abs(filtered_S[max(0, p - reach) : p + reach + 1])))
        for p in peaks
    ]
    return np.unique(np.array(r, dtype=np.int64))
