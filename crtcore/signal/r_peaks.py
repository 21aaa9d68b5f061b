"""R-peak detection: Chebyshev I band-pass and Shannon energy envelope.

The front end is that of Manikandan & Soman 2012 (Biomed. Signal Process. Control 7:118) and Kathirvel et al.
2011 (doi 10.1007/s13239-011-0065-3): band-pass, first difference, normalisation, Shannon energy, smoothing,
peaks of the envelope. Which peaks are beats is decided in `beat_selection.py`.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.ndimage import median_filter
from scipy.signal import cheby1

from crtcore.errors import DataError
from crtcore.signal.beat_selection import Candidates, select_beats
from crtcore.signal.highpass import bridge_missing
from crtcore.signal.recording import FloatArray, IntArray
from crtcore.signal.zero_phase import zero_phase

_DETECTION_BAND_HZ: Final = (6.0, 18.0)
_POSITION_BAND_HZ: Final = (4.0, 24.0)
_ORDER: Final = 2
_RIPPLE_DB: Final = 1.0
LOWEST_RATE_HZ: Final = 50.0
_BLOCKS_PER_NEIGHBOURHOOD: Final = 11
_TYPICAL_TO_FULL_SCALE: Final = 1.4
_FULL_SCALE_ENERGY: Final = np.float32(np.exp(-1))
_LOWEST_SHARE: Final = 0.1
_QUIETEST_MV_PER_S: Final = 0.5
_SMOOTHING_S: Final = (0.150, 0.100, 0.100)
_LOWEST_ENVELOPE: Final = 0.02
_REACH_S: Final = 0.100


def detect_r_peaks(signal_S: FloatArray, sampling_rate_hz: float) -> IntArray:
    """Sample numbers of the R peaks of one lead, ascending, shape (beats,).

    The lead is in mV, upright or inverted. There are no beats in missing samples (NaN), nor in a recording of
    less than one second. Raises DataError below 50 Hz: the filter band needs that rate.
    """
    if sampling_rate_hz < LOWEST_RATE_HZ:
        raise DataError(
            f"no R peaks at {sampling_rate_hz:g} Hz: give recordings of {LOWEST_RATE_HZ:g} Hz or more"
        )
    if len(signal_S) < sampling_rate_hz:
        return np.empty(0, dtype=np.int64)
    bridged_S = bridge_missing(signal_S[None])[0]
    filtered_S = _band_pass(bridged_S, sampling_rate_hz, _DETECTION_BAND_HZ)
    slope_S = np.abs(np.diff(filtered_S, prepend=filtered_S[:1]))
    envelope_S = shannon_envelope(slope_S, sampling_rate_hz)
    np.abs(filtered_S, out=filtered_S)
    reach = int(_REACH_S * sampling_rate_hz)
    sample_Q, amplitude_Q, slope_Q, envelope_Q = _envelope_peaks(
        envelope_S, filtered_S, slope_S, reach, _LOWEST_ENVELOPE
    )
    candidates = Candidates(
        sample_Q=sample_Q, amplitude_Q=amplitude_Q, slope_Q=slope_Q, envelope_Q=envelope_Q
    )
    sample_B = sample_Q[select_beats(candidates, sampling_rate_hz)]
    positioned_S = _band_pass(bridged_S, sampling_rate_hz, _POSITION_BAND_HZ)
    position_B: IntArray = _largest_nearby(positioned_S, sample_B, reach)
    return position_B


def _band_pass(signal_S: FloatArray, sampling_rate_hz: float, band_hz: tuple[float, float]) -> FloatArray:
    sos = cheby1(_ORDER, _RIPPLE_DB, band_hz, btype="bandpass", fs=sampling_rate_hz, output="sos")
    filtered_CS = zero_phase(sos, signal_S[None], round(sampling_rate_hz))
    return filtered_CS.reshape(-1)


@njit(cache=True)
def _largest_nearby(signal_S: FloatArray, sample_B: IntArray, reach: int) -> IntArray:
    """The sample within `reach` of each where the signal is largest, up or down."""
    moved_B = sample_B.copy()
    for beat in range(len(sample_B)):
        for k in range(max(0, sample_B[beat] - reach), min(len(signal_S), sample_B[beat] + reach + 1)):
            if abs(signal_S[k]) > abs(signal_S[moved_B[beat]]):
                moved_B[beat] = k
    return moved_B


def shannon_envelope(slope_S: FloatArray, sampling_rate_hz: float) -> FloatArray:
    """Smoothed Shannon energy -a^2 ln a^2 of the absolute first difference, shape (samples,).

    a is the difference divided by 1.4 times the typical QRS slope of the 11 s around it: the median of the
    maxima of blocks of one second. So neither an artefact nor one large ectopic beat sets the scale.
    a^2 is clipped at 1/e, where Shannon energy stops rising.
    """
    block = round(sampling_rate_hz)
    maximum_N = np.maximum.reduceat(slope_S, np.arange(0, len(slope_S), block))
    quietest = _QUIETEST_MV_PER_S / sampling_rate_hz
    live_N = maximum_N[maximum_N > quietest]
    lowest = max(quietest, _LOWEST_SHARE * float(np.median(live_N))) if len(live_N) else quietest
    typical_N = np.maximum(median_filter(maximum_N, _BLOCKS_PER_NEIGHBOURHOOD, mode="reflect"), lowest)
    gain_N = 1 / (_TYPICAL_TO_FULL_SCALE * typical_N)
    energy_S = _normalised_square(slope_S, gain_N, block)
    energy_S *= -np.log(energy_S)
    for width_s in _SMOOTHING_S:
        energy_S = _moving_average(energy_S, int(width_s * sampling_rate_hz) // 2)
    return energy_S


@njit(cache=True)
def _normalised_square(slope_S: FloatArray, gain_N: npt.NDArray[np.float64], block: int) -> FloatArray:
    """(slope x gain)^2 within (0, 1/e]; the gain runs in straight lines between the blocks' centres."""
    square_S = np.empty(len(slope_S), np.float32)
    for i in range(len(slope_S)):
        place = min(max((i + 0.5) / block - 0.5, 0.0), len(gain_N) - 1.0)
        n = min(int(place), len(gain_N) - 2) if len(gain_N) > 1 else 0
        gain = gain_N[n] + (place - n) * (gain_N[min(n + 1, len(gain_N) - 1)] - gain_N[n])
        square = np.float32((slope_S[i] * gain) ** 2)
        square_S[i] = min(max(square, np.float32(1e-12)), _FULL_SCALE_ENERGY)
    return square_S


@njit(cache=True)
def _moving_average(signal_S: FloatArray, half: int) -> FloatArray:
    """Mean of 2 `half` + 1 samples around each; beyond the ends is silence."""
    num_samples = len(signal_S)
    mean_S = np.empty(num_samples, np.float32)
    total = 0.0
    for i in range(min(half, num_samples)):
        total += signal_S[i]
    for i in range(num_samples):
        if i + half < num_samples:
            total += signal_S[i + half]
        if i > half:
            total -= signal_S[i - half - 1]
        mean_S[i] = total / (2 * half + 1)
    return mean_S


@njit(cache=True)
def _envelope_peaks(
    envelope_S: FloatArray, amplitude_S: FloatArray, slope_S: FloatArray, reach: int, lowest: float
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """Every local maximum of the envelope above `lowest`, its sample number ascending strictly: where the
    band-passed signal is largest within `reach` samples, how large, how steep at most, and the envelope.
    """
    num_samples = len(envelope_S)
    sample_Q = np.empty(num_samples // 2 + 1, np.int64)
    amplitude_Q = np.empty(len(sample_Q), np.float32)
    slope_Q = np.empty(len(sample_Q), np.float32)
    envelope_Q = np.empty(len(sample_Q), np.float32)
    found = 0
    for i in range(1, num_samples - 1):
        height = envelope_S[i]
        if height <= lowest or height <= envelope_S[i - 1] or height < envelope_S[i + 1]:
            continue
        first, last = max(0, i - reach), min(num_samples, i + reach + 1)
        largest, steepest = first, slope_S[first]
        for k in range(first + 1, last):
            if amplitude_S[k] > amplitude_S[largest]:
                largest = k
            steepest = max(steepest, slope_S[k])
        if found and largest <= sample_Q[found - 1]:  # the same deflection as the peak before
            continue
        sample_Q[found], amplitude_Q[found] = largest, amplitude_S[largest]
        slope_Q[found], envelope_Q[found] = steepest, height
        found += 1
    return sample_Q[:found], amplitude_Q[:found], slope_Q[:found], envelope_Q[:found]
