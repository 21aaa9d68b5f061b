"""Which recordings of a collection look alike: a fast search for copies that are shifted, cut or rescaled.

Every window of 4 s of a lead is described by its Fourier coefficients from 1 to 8 Hz. The first and the last
window of each recording are compared with all windows of all others, in one matrix product for each lead. Two
recordings are candidates if two of these windows match at the same shift; `alignment.py` decides.

Legend: R recordings, C leads, S samples at 40 Hz, W windows, Q windows that are searched for, D coefficients,
M matches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.fft

from crtcore.signal.highpass import bridge_missing
from crtcore.signal.recording import FloatArray, IntArray, Recording
from crtcore.signal.resample import resample

Float64Array = npt.NDArray[np.float64]

RATE_HZ: Final = 40
WINDOW: Final = 4 * RATE_HZ  # samples
_TAPER_S: Final = np.hanning(WINDOW).astype(np.float32)
_LOW_BIN, _HIGH_BIN = 4, 32  # of 0.25 Hz
QUERIES: Final = 2  # windows searched for: at the start and at the end
LIKE: Final = 0.95
"""Of the windows, between their places; whole recordings must be more alike."""
_NEAR: Final = 0.85  # at the nearest place, up to 12.5 ms away
_SAME_LAG: Final = 1.0  # samples
MAX_SAMPLES: Final = 2_500_000
"""Of all recordings together, for each lead: 1,000 recordings are compared in their first minute."""
_CHUNK_W: Final = 1024


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Two recordings that may be alike on a lead; the same event comes `lag_s` later in the second."""

    first: int
    second: int
    lead: int
    lag_s: float


def sketch(recording: Recording, num_recordings: int) -> FloatArray:
    """The recording as it is compared among `num_recordings`: shape (leads, samples) at 40 Hz, no gaps."""
    longest = max(WINDOW, MAX_SAMPLES // num_recordings)
    num_samples = int(longest / RATE_HZ * recording.sampling_rate_hz)
    part = replace(recording, signal_CS=bridge_missing(recording.signal_CS[:, :num_samples]), annotation=None)
    low_CS = resample(part, RATE_HZ).signal_CS
    short = WINDOW - low_CS.shape[1]
    return np.pad(low_CS, ((0, 0), (0, max(0, short)))).astype(np.float32)


def find_candidates(sketches: Sequence[FloatArray]) -> tuple[Candidate, ...]:
    """The pairs of recordings, and their leads, that match; a lead of opposite sign matches too.

    All sketches have the same leads.
    """
    num_leads = len(sketches[0]) if sketches else 0
    found = [
        candidate
        for lead in range(num_leads)
        for candidate in _candidates_of_lead(lead, [sketch_CS[lead] for sketch_CS in sketches])
    ]
    return tuple(sorted(found, key=lambda each: (each.first, each.second, each.lead)))


def _candidates_of_lead(lead: int, signals: Sequence[FloatArray]) -> Iterator[Candidate]:
    """Pairs of which two different windows match at the same shift."""
    one_M, other_M, query_M, lag_M = (np.concatenate(parts) for parts in zip(*_matches(signals), strict=True))
    flipped_M = one_M > other_M
    first_M, second_M = np.minimum(one_M, other_M), np.maximum(one_M, other_M)
    lag_M = np.where(flipped_M, -lag_M, lag_M)
    order_M = np.lexsort((lag_M, second_M, first_M))
    first_M, second_M, query_M, lag_M = (each[order_M] for each in (first_M, second_M, query_M, lag_M))
    agree_M = (np.diff(first_M) == 0) & (np.diff(second_M) == 0) & (np.diff(query_M) != 0)
    for match in np.flatnonzero(agree_M & (np.diff(lag_M) <= _SAME_LAG)).tolist():
        yield Candidate(
            first=int(first_M[match]),
            second=int(second_M[match]),
            lead=lead,
            lag_s=float(lag_M[match : match + 2].mean()) / RATE_HZ,
        )


def _matches(signals: Sequence[FloatArray]) -> Iterator[tuple[IntArray, IntArray, IntArray, Float64Array]]:
    """The searched recording, the one it was found in, the number of the window, and how many samples later
    it comes there; one entry for each match.
    """
    start_Q = np.concatenate([_starts(signal_S) for signal_S in signals])
    query_QD = np.concatenate([_described(_windows(signal_S)[_starts(signal_S)]) for signal_S in signals])
    for first, last in _chunks([len(signal_S) - WINDOW + 1 for signal_S in signals]):
        windows = [_described(_windows(signal_S)) for signal_S in signals[first:last]]
        recording_W = np.repeat(np.arange(first, last), [len(window_WD) for window_WD in windows])
        place_W = np.concatenate([np.arange(len(window_WD)) for window_WD in windows])
        like_QW = query_QD @ np.concatenate(windows).T
        np.abs(like_QW, out=like_QW)
        query_M, at_M = np.divmod(np.flatnonzero((like_QW > _NEAR).ravel()), like_QW.shape[1])
        peak_M, step_M = _peaks(like_QW, query_M, at_M, recording_W)
        keep_M = (peak_M > LIKE) & (query_M // QUERIES != recording_W[at_M])
        query_M, at_M = query_M[keep_M], at_M[keep_M]
        lag_M = place_W[at_M] + step_M[keep_M] - start_Q[query_M]
        yield query_M // QUERIES, recording_W[at_M], query_M, lag_M


def _peaks(
    like_QW: FloatArray, query_M: IntArray, at_M: IntArray, recording_W: IntArray
) -> tuple[Float64Array, Float64Array]:
    """Height of the parabola through each match and its neighbours, 0 beside a peak; and where it lies."""
    here_M = like_QW[query_M, at_M].astype(np.float64)
    last = like_QW.shape[1] - 1
    sides = []
    for neighbour_M in (np.maximum(at_M - 1, 0), np.minimum(at_M + 1, last)):
        inside_M = (recording_W[neighbour_M] == recording_W[at_M]) & (neighbour_M != at_M)
        sides.append(np.where(inside_M, like_QW[query_M, neighbour_M], here_M))
    left_M, right_M = sides
    bend_M = left_M - 2 * here_M + right_M
    step_M = np.divide((left_M - right_M) / 2, bend_M, out=np.zeros_like(here_M), where=bend_M < 0)
    height_M = here_M - (left_M - right_M) / 4 * step_M
    return np.where((here_M >= left_M) & (here_M >= right_M), height_M, 0.0), step_M


def _starts(signal_S: FloatArray) -> IntArray:
    return np.linspace(0, len(signal_S) - WINDOW, QUERIES).astype(np.int64)


def _windows(signal_S: FloatArray) -> FloatArray:
    return np.lib.stride_tricks.sliding_window_view(signal_S, WINDOW)


def _described(window_WS: FloatArray) -> FloatArray:
    """Windows as vectors of length 1, shape (windows, coefficients); 0 where nothing moves."""
    spectrum_WF = scipy.fft.rfft(window_WS * _TAPER_S, axis=1)
    band_WF = spectrum_WF[:, _LOW_BIN : _HIGH_BIN + 1]
    window_WD = np.concatenate([band_WF.real, band_WF.imag], axis=1)
    length_W1 = np.linalg.norm(window_WD, axis=1, keepdims=True)
    unit_WD: FloatArray = np.zeros_like(window_WD)
    np.divide(window_WD, length_W1, out=unit_WD, where=length_W1 > 1e-6)
    return unit_WD


def _chunks(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of recordings, each of at least one and else of at most _CHUNK_W windows."""
    runs, first, total = [], 0, 0
    for index, size in enumerate(sizes):
        if index > first and total + size > _CHUNK_W:
            runs.append((first, index))
            first, total = index, 0
        total += size
    return [*runs, (first, len(sizes))] if sizes else []
