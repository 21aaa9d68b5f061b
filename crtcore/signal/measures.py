"""What a recording looks like in numbers, so that cohorts of different devices can be compared.

Legend: C leads, S samples, F frequency bins, W windows.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.signal.amplitude import peak_to_peak_mv
from crtcore.signal.highpass import bridge_missing
from crtcore.signal.noise import quality_indices
from crtcore.signal.recording import FloatArray, Recording

MEASURES: Final = {
    "amplitude_mv": "amplitude, peak to peak, median of leads (mV)",
    "heart_rate_per_min": "heart rate (per minute)",
    "power_below_1_hz_percent": "power below 1 Hz (% of that below 100 Hz)",
    "power_40_to_100_hz_percent": "power from 40 to 100 Hz (%)",
    "power_at_mains_percent": "power at mains, 50 or 60 Hz (%)",
    "ksqi": "kSQI: kurtosis, low if noisy",
    "psqi": "pSQI: power at 5-15 Hz over that at 5-40 Hz",
    "sampling_rate_hz": "sampling rate (Hz)",
}
"""What each measure is, for tables."""
TOP_HZ: Final = 100.0
MAINS_HZ: Final = (50.0, 60.0)
MAINS_WIDTH_HZ: Final = 1.0  # to either side
LONGEST_S: Final = 60.0  # of the signal: the rest of a long recording is like it


def recording_measures(recording: Recording, r_time_s_B: npt.NDArray[np.float64]) -> dict[str, float]:
    """The measures of a recording as it was read, with the leads that are used; NaN where one is undefined.

    `r_time_s_B` are the times of its R peaks in seconds.
    """
    rate = recording.sampling_rate_hz
    signal_CS = bridge_missing(recording.signal_CS[:, : math.ceil(LONGEST_S * rate)])
    ksqi_CW, psqi_CW = quality_indices(signal_CS, rate)
    return {
        "amplitude_mv": float(np.median(peak_to_peak_mv(signal_CS))),
        "heart_rate_per_min": 60 / float(np.median(np.diff(r_time_s_B))) if len(r_time_s_B) > 1 else math.nan,
        **_power_shares(signal_CS, rate),
        "ksqi": _mean(ksqi_CW),
        "psqi": _mean(psqi_CW),
        "sampling_rate_hz": rate,
    }


def _power_shares(signal_CS: FloatArray, rate: float) -> dict[str, float]:
    """Shares of the power below 100 Hz in percent, the mean over leads."""
    centred_CS = signal_CS.astype(np.float64)
    centred_CS -= centred_CS.mean(axis=1, keepdims=True)
    power_CF = np.abs(np.fft.rfft(centred_CS * np.hanning(centred_CS.shape[1]), axis=1)) ** 2
    hz_F = np.fft.rfftfreq(centred_CS.shape[1], 1 / rate)
    whole_C = power_CF[:, hz_F <= TOP_HZ].sum(axis=1)

    def share(low_hz: float, high_hz: float) -> float:
        part_C = power_CF[:, (hz_F >= low_hz) & (hz_F <= high_hz)].sum(axis=1)
        moving_C = whole_C > 0
        return 100 * float((part_C[moving_C] / whole_C[moving_C]).mean()) if moving_C.any() else math.nan

    mains = [
        share(hz - MAINS_WIDTH_HZ, hz + MAINS_WIDTH_HZ) for hz in MAINS_HZ if hz + MAINS_WIDTH_HZ < rate / 2
    ]
    return {
        "power_below_1_hz_percent": share(0.0, 1.0),
        "power_40_to_100_hz_percent": share(40.0, TOP_HZ) if rate / 2 > 40 else math.nan,
        "power_at_mains_percent": max(mains) if mains else math.nan,
    }


def _mean(value_CW: FloatArray) -> float:
    """The mean of the windows that are defined."""
    defined = value_CW[np.isfinite(value_CW)]
    return float(defined.mean()) if defined.size else math.nan
