"""Baseline wander removal."""

from typing import Final

import numpy as np
from scipy.signal import butter

from crtcore.signal.recording import FloatArray
from crtcore.signal.zero_phase import zero_phase

_ORDER: Final = 2
_PADDING_PERIODS: Final = 1.5


def high_pass(signal_CS: FloatArray, sampling_rate_hz: float, cutoff_hz: float = 0.5) -> FloatArray:
    """Zero-phase Butterworth high-pass, order 2, once forwards and once backwards. Shape and unit stay.

    Missing samples (NaN) are interpolated for the filter and stay missing.
    """
    sos = butter(_ORDER, cutoff_hz, btype="highpass", fs=sampling_rate_hz, output="sos")
    filtered_CS = zero_phase(
        sos, bridge_missing(signal_CS), round(_PADDING_PERIODS * sampling_rate_hz / cutoff_hz)
    )
    filtered_CS[np.isnan(signal_CS)] = np.nan
    return filtered_CS


def bridge_missing(signal_CS: FloatArray) -> FloatArray:
    """Missing samples (NaN) replaced by straight lines between their neighbours, 0 where a lead has none."""
    missing_CS = np.isnan(signal_CS)
    if not missing_CS.any():
        return signal_CS
    bridged_CS = signal_CS.copy()
    for lead_S, missing_S in zip(bridged_CS, missing_CS, strict=True):
        present = np.flatnonzero(~missing_S)
        lead_S[missing_S] = (
            np.interp(np.flatnonzero(missing_S), present, lead_S[present]) if len(present) else 0.0
        )
    return bridged_CS
