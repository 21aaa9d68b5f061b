"""Whether two recordings hold the same signal, once one of them is shifted to fit the other.

Legend: C leads, S samples at 125 Hz, F frequency bins.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.signal.highpass import bridge_missing
from crtcore.signal.recording import FloatArray, Recording
from crtcore.signal.resample import resample

RATE_HZ: Final = 125
BAND_HZ: Final = (0.5, 40.0)
MIN_OVERLAP_S: Final = 4.0
ALIKE: Final = 0.99
"""Correlation, on some lead, from which on two recordings are alike."""
STEADY: Final = 0.95
"""Correlation within most stretches of 2 s: a single large artefact makes nothing alike."""
SAME_RESIDUAL: Final = 0.03  # of the lead's amplitude, both as root mean square, or
SAME_RESIDUAL_MV: Final = 0.005  # the step of a coarse converter
SAME_SHIFT_S: Final = 0.02
_SEARCH_S: Final = 0.02
_WORTH_A_CLOSER_LOOK: Final = 0.90  # a shift of half a sample costs up to some percent

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How alike two recordings are on a lead: their correlation, at the best shift between them.

    `same`: both have the same length and, on every lead, the same values but for rounding.
    """

    lead: str
    correlation: float
    shift_s: float
    same: bool

    @property
    def alike(self) -> bool:
        """Whether they count as one recording, or as copies that were shifted, cut or rescaled."""
        return self.same or self.correlation > ALIKE


def prepared(recording: Recording) -> Recording:
    """The recording at 125 Hz without gaps, as `likeness` compares it."""
    bridged = replace(recording, signal_CS=bridge_missing(recording.signal_CS), annotation=None)
    return resample(bridged, RATE_HZ)


def likeness(one: Recording, other: Recording, *, lead: int, lag_s: float) -> Likeness:
    """Compare row `lead` of two recordings from `prepared`, which have the same leads.

    `lag_s` is roughly how much later the same event comes in `other`; the best shift within 20 ms is taken.
    """
    search = round(_SEARCH_S * RATE_HZ)
    lags = round(lag_s * RATE_HZ) + np.arange(-search, search + 1)
    pairs = [_overlap(one.signal_CS, other.signal_CS, int(lag)) for lag in lags]
    if min(pair[0].shape[1] for pair in pairs) < _shortest(one, other):
        return Likeness(lead=one.leads[lead], correlation=0.0, shift_s=lag_s, same=False)
    scores = [_correlation(one_CS[lead], other_CS[lead]) for one_CS, other_CS in pairs]
    lag, pair = int(lags[int(np.argmax(scores))]), pairs[int(np.argmax(scores))]
    if max(scores) < _WORTH_A_CLOSER_LOOK:
        return Likeness(lead=one.leads[lead], correlation=max(scores), shift_s=lag / RATE_HZ, same=False)
    one_CS, other_CS = _aligned(*pair, lead)
    correlation = _correlation(one_CS[lead], other_CS[lead])
    if _steadiness(one_CS[lead], other_CS[lead]) < STEADY:
        correlation = 0.0
    return Likeness(
        lead=one.leads[lead],
        correlation=correlation,
        shift_s=lag / RATE_HZ,
        same=abs(lag) <= SAME_SHIFT_S * RATE_HZ and _same(one, other, one_CS, other_CS),
    )


def _shortest(one: Recording, other: Recording) -> float:
    return min(MIN_OVERLAP_S * RATE_HZ, one.num_samples, other.num_samples) - _SEARCH_S * RATE_HZ


def _overlap(one_CS: FloatArray, other_CS: FloatArray, lag: int) -> tuple[FloatArray, FloatArray]:
    one_CS, other_CS = one_CS[:, max(0, -lag) :], other_CS[:, max(0, lag) :]
    num_samples = min(one_CS.shape[1], other_CS.shape[1])
    return one_CS[:, :num_samples], other_CS[:, :num_samples]


def _band(signal_CS: npt.NDArray[np.floating]) -> npt.NDArray[np.complex128]:
    """The spectrum within the band, 0 elsewhere; bins along the last axis."""
    spectrum_CF = np.fft.rfft(signal_CS.astype(np.float64))
    hz_F = np.fft.rfftfreq(signal_CS.shape[-1], 1 / RATE_HZ)
    spectrum_CF[..., (hz_F < BAND_HZ[0]) | (hz_F > BAND_HZ[1])] = 0
    return spectrum_CF


def _correlation(one_S: npt.NDArray[np.floating], other_S: npt.NDArray[np.floating]) -> float:
    """The absolute correlation of two leads within the band, 0 where one of them does not move."""
    one_F, other_F = _band(one_S), _band(other_S)
    norm = float(np.linalg.norm(one_F) * np.linalg.norm(other_F))
    return abs(float((one_F * other_F.conj()).real.sum())) / norm if norm > 0 else 0.0


def _aligned(one_CS: FloatArray, other_CS: FloatArray, lead: int) -> tuple[Float64Array, Float64Array]:
    """Both within the band, `other` moved by the fraction of a sample that fits best on `lead`."""
    one_CF, other_CF = _band(one_CS), _band(other_CS)
    num_samples = one_CS.shape[1]
    turn_F = 2j * np.pi * np.arange(one_CF.shape[1]) / num_samples
    fraction_V = np.linspace(-1, 1, 41)
    cross_F = one_CF[lead].conj() * other_CF[lead]
    fit_V = np.abs((np.exp(fraction_V[:, None] * turn_F) * cross_F).real.sum(axis=1))
    other_CF = other_CF * np.exp(fraction_V[int(fit_V.argmax())] * turn_F)
    return np.fft.irfft(one_CF, num_samples), np.fft.irfft(other_CF, num_samples)


def _steadiness(one_S: Float64Array, other_S: Float64Array) -> float:
    """The median over stretches of 2 s of their absolute correlation."""
    count = max(1, len(one_S) // (2 * RATE_HZ))
    pairs = zip(np.array_split(one_S, count), np.array_split(other_S, count), strict=True)
    found: list[float] = []
    for one, other in pairs:
        norm = float(np.linalg.norm(one) * np.linalg.norm(other))
        found.append(abs(float(one @ other)) / norm if norm > 0 else 0.0)
    return float(np.median(found))


def _same(one: Recording, other: Recording, one_CS: Float64Array, other_CS: Float64Array) -> bool:
    if abs(one.num_samples - other.num_samples) > SAME_SHIFT_S * RATE_HZ:
        return False
    residual_C = np.sqrt(((one_CS - other_CS) ** 2).mean(axis=1))
    level_C = np.sqrt((one_CS**2).mean(axis=1))
    return bool((residual_C <= np.maximum(SAME_RESIDUAL * level_C, SAME_RESIDUAL_MV)).all())
