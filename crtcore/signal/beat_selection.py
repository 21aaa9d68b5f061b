"""Which candidate peaks are beats.

Detectors usually apply an amplitude gate, a T-wave slope test and a search-back one after the other. Here the
three are terms of one score, and dynamic programming finds the best set of candidates exactly. A strong
candidate adds evidence (the gate). An interval costs if it is too long (search-back) or too short for the
rhythm around it. A pair within half a second costs if one is much less steep than the other (the slope test,
for T waves after and P waves before a beat).

The constants below were chosen by random search for the fewest errors on every other record of the MIT-BIH
database (100, 102, 104, ... in the sorted list); the form of the score was chosen with all records known. Two
terms were tried and left out because they gained nothing on the other half: how much the shape of a peak is
like its neighbours, and the spread of the RR intervals around it.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.ndimage import median_filter

from crtcore.signal.recording import FloatArray, IntArray

_TYPICAL_ENVELOPE: Final = 0.14
_STRONG_ENVELOPE: Final = 0.07
_STRONG_NEIGHBOURS: Final = 15
_BASE: Final = 1.6
_AMPLITUDE_WEIGHT: Final = 0.64
_SLOPE_WEIGHT: Final = 0.33
_ENVELOPE_WEIGHT: Final = 0.25

_RHYTHM_STRENGTH: Final = 0.32
_RHYTHM_REFRACTORY_S: Final = 0.25
_RHYTHM_NEIGHBOURS: Final = 24
_DEFAULT_RR_S: Final = 0.8
_PASSES: Final = 2  # the second takes the rhythm from the beats of the first

_REFRACTORY_S: Final = 0.232
_SHORT_WEIGHT: Final = 2.3
_SHORT_FREE: Final = 0.68
_LONG_WEIGHT: Final = 2.2
_LONG_FREE: Final = 0.22
_LARGEST_COST: Final = 6.1
_LONGEST_GAP_S: Final = 4.0
_PAIR_S: Final = 0.485
_PAIR_WEIGHT: Final = 1.07
_PAIR_FREE: Final = 0.49


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Peaks of the envelope, one entry each: R sample (ascending), largest band-passed amplitude and steepest
    slope around it (any unit), height of the envelope.
    """

    sample_Q: IntArray
    amplitude_Q: FloatArray
    slope_Q: FloatArray
    envelope_Q: FloatArray


def select_beats(candidates: Candidates, sampling_rate_hz: float) -> IntArray:
    """Indices of the candidates that are beats, ascending."""
    if not len(candidates.sample_Q):
        return np.empty(0, dtype=np.int64)
    strong = np.flatnonzero(candidates.envelope_Q > _STRONG_ENVELOPE)
    log_amplitude_Q = _log_relative(candidates.amplitude_Q, strong)
    log_slope_Q = _log_relative(candidates.slope_Q, strong)
    evidence_Q = (
        _BASE
        + _AMPLITUDE_WEIGHT * log_amplitude_Q
        + _SLOPE_WEIGHT * log_slope_Q
        + _ENVELOPE_WEIGHT * np.log(candidates.envelope_Q / _TYPICAL_ENVELOPE)
    )
    strength_Q = (log_amplitude_Q + log_slope_Q) / 2
    time_s_Q = candidates.sample_Q / sampling_rate_hz
    chain = _rhythm_beats(time_s_Q, strength_Q)
    for _ in range(_PASSES):
        chain = _best_chain(time_s_Q, evidence_Q, strength_Q, _local_rr(time_s_Q, chain))
    return chain


def _log_relative(size_Q: FloatArray, strong: IntArray) -> npt.NDArray[np.float64]:
    """Log of each size over the running median of the strong candidates around it."""
    typical_Q = np.full(len(size_Q), np.median(size_Q))
    if len(strong) > 2:
        typical = median_filter(size_Q[strong], _STRONG_NEIGHBOURS, mode="reflect")
        nearest_Q = np.searchsorted(strong, np.arange(len(size_Q))).clip(max=len(strong) - 1)
        typical_Q = typical[nearest_Q]
    log_Q: npt.NDArray[np.float64] = np.log(np.maximum(size_Q / typical_Q, 1e-3))
    return log_Q


def _local_rr(time_s_Q: npt.NDArray[np.float64], rhythm: IntArray) -> npt.NDArray[np.float64]:
    """The median RR interval, in seconds, of the clear beats around each candidate."""
    if len(rhythm) < 3:
        return np.full(len(time_s_Q), _DEFAULT_RR_S)
    local_s = median_filter(np.diff(time_s_Q[rhythm]), 2 * _RHYTHM_NEIGHBOURS, mode="reflect")
    next_Q = np.searchsorted(rhythm, np.arange(len(time_s_Q))).clip(max=len(local_s) - 1)
    local_s_Q: npt.NDArray[np.float64] = local_s[next_Q]
    return local_s_Q


@njit(cache=True)
def _rhythm_beats(time_s_Q: npt.NDArray[np.float64], strength_Q: npt.NDArray[np.float64]) -> IntArray:
    """Clear beats, which give the rhythm: strong ones, and the stronger of two that are too close."""
    chosen = np.empty(len(time_s_Q), np.int64)
    found = 0
    for q in range(len(time_s_Q)):
        if strength_Q[q] < math.log(_RHYTHM_STRENGTH):
            continue
        if found and time_s_Q[q] - time_s_Q[chosen[found - 1]] < _RHYTHM_REFRACTORY_S:
            if strength_Q[q] > strength_Q[chosen[found - 1]]:
                chosen[found - 1] = q
            continue
        chosen[found] = q
        found += 1
    return chosen[:found]


@njit(cache=True)
def _best_chain(
    time_s_Q: npt.NDArray[np.float64],
    evidence_Q: npt.NDArray[np.float64],
    strength_Q: npt.NDArray[np.float64],
    rr_s_Q: npt.NDArray[np.float64],
) -> IntArray:
    """The sequence of candidates with the largest evidence minus the cost of its intervals."""
    num_candidates = len(time_s_Q)
    score_Q = np.empty(num_candidates)
    previous_Q = np.full(num_candidates, -1)
    leader_Q = np.empty(num_candidates, np.int64)  # the best chain's end up to here
    for q in range(num_candidates):
        best = -_LARGEST_COST
        for p in range(q - 1, -1, -1):
            interval_s = time_s_Q[q] - time_s_Q[p]
            if interval_s > _LONGEST_GAP_S:
                if score_Q[leader_Q[p]] - _LARGEST_COST > best:
                    best = score_Q[leader_Q[p]] - _LARGEST_COST
                    previous_Q[q] = leader_Q[p]
                break
            if interval_s < _REFRACTORY_S:
                continue
            cost = _interval_cost(interval_s, (rr_s_Q[p] + rr_s_Q[q]) / 2)
            if interval_s < _PAIR_S:
                cost += _PAIR_WEIGHT * max(0.0, abs(strength_Q[p] - strength_Q[q]) - _PAIR_FREE)
            if score_Q[p] - cost > best:
                best = score_Q[p] - cost
                previous_Q[q] = p
        score_Q[q] = evidence_Q[q] + best
        leader_Q[q] = q
        if q and score_Q[leader_Q[q - 1]] >= score_Q[q]:
            leader_Q[q] = leader_Q[q - 1]
    chain = np.empty(num_candidates, np.int64)
    length = 0
    q = leader_Q[num_candidates - 1]
    while q >= 0:
        chain[length] = q
        length += 1
        q = previous_Q[q]
    return chain[:length][::-1].copy()


@njit(cache=True)
def _interval_cost(interval_s: float, rr_s: float) -> float:
    """Cost of an interval; it grows with the log of its ratio to the local interval `rr_s`."""
    ratio = math.log(interval_s / rr_s)
    if ratio < 0:
        return _SHORT_WEIGHT * max(0.0, -ratio - _SHORT_FREE)
    return min(_LARGEST_COST, _LONG_WEIGHT * max(0.0, ratio - _LONG_FREE))
