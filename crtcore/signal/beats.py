"""R peaks -> beats: class tables, RR intervals, the 1.2 RR segment."""

from typing import Final

import numpy as np

from crtcore.signal.recording import BeatAnnotation, Beats, FloatArray, IntArray, StrArray

AAMI_CLASSES: Final = ("N", "S", "V", "F", "Q")
MORPHOLOGY_CLASSES: Final = ("N", "L", "R", "V", "/")
AAMI_CLASS_OF_SYMBOL: Final[dict[str, str]] = (
    dict.fromkeys("NLRBejn", "N")
    | dict.fromkeys("AaJS", "S")
    | dict.fromkeys("VEr", "V")
    | {"F": "F"}
    | dict.fromkeys("/fQ?", "Q")
)
"""WFDB beat code -> ANSI/AAMI EC57 class, escape beats in N as in de Chazal 2004 (IEEE TBME 51:1196)."""
BEAT_SYMBOLS: Final = frozenset(AAMI_CLASS_OF_SYMBOL)

MATCH_WINDOW_S: Final = 0.150
"""ANSI/AAMI EC57: a detection within 150 ms of a reference beat is that beat."""
_RR_NEIGHBOURS: Final = 5
_RR_PLAUSIBLE: Final = (0.5, 1.75)


def aami_labels(symbol_B: StrArray) -> IntArray:
    """Index of each beat's class in `AAMI_CLASSES`, -1 where the symbol has none."""
    index = {symbol: AAMI_CLASSES.index(name) for symbol, name in AAMI_CLASS_OF_SYMBOL.items()}
    return _labels(symbol_B, index)


def morphology_labels(symbol_B: StrArray) -> IntArray:
    """Index of each beat's symbol in `MORPHOLOGY_CLASSES`, -1 where it is none of them."""
    return _labels(symbol_B, {symbol: i for i, symbol in enumerate(MORPHOLOGY_CLASSES)})


def _labels(symbol_B: StrArray, index: dict[str, int]) -> IntArray:
    symbols, inverse_B = np.unique(symbol_B, return_inverse=True)
    return np.array([index.get(str(symbol), -1) for symbol in symbols], dtype=np.int64)[inverse_B]


def local_mean_rr(rr_B: FloatArray) -> FloatArray:
    """Mean of up to ten RR intervals around each beat (five back, five forward), shape (beats,).

    `rr_B` holds the intervals between consecutive R peaks, shape (beats - 1,), at least one. Intervals
    outside 0.5 to 1.75 times the median around them are left out. So a gap in the recording, or a missed or
    doubled peak, does not stretch the segments around it; a premature beat and its pause still count.
    """
    num_beats = len(rr_B) + 1
    padded = np.pad(np.asarray(rr_B, dtype=np.float64), _RR_NEIGHBOURS, constant_values=np.nan)
    window_BN = np.lib.stride_tricks.sliding_window_view(padded, 2 * _RR_NEIGHBOURS)[:num_beats]
    median_B1 = np.nanmedian(window_BN, axis=1, keepdims=True)
    low, high = _RR_PLAUSIBLE
    plausible_BN = (window_BN >= low * median_B1) & (window_BN <= high * median_B1)
    total_B = np.where(plausible_BN, window_BN, 0.0).sum(axis=1)
    num_B = plausible_BN.sum(axis=1)
    mean_B = np.where(num_B > 0, total_B / np.maximum(num_B, 1), median_B1[:, 0])
    return mean_B.astype(np.float32)


def segment_beats(
    r_sample_B: IntArray,
    symbol_B: StrArray,
    *,
    num_samples: int,
    sampling_rate_hz: float,
    before_r_rr: float,
    after_r_rr: float,
) -> Beats:
    """Cut each beat from `before_r_rr` local mean RR before its R peak to `after_r_rr` after it.

    Beats whose segment leaves the recording are dropped, as are all where there are fewer than two (no RR
    interval). The RR intervals come from all given peaks, dropped ones included; a first or last peak takes
    its only interval twice. Peaks ascend; of several at one sample the first counts.
    """
    assert r_sample_B.shape == symbol_B.shape
    assert bool(np.all(np.diff(r_sample_B) >= 0))
    r_sample_B, first_B = np.unique(r_sample_B, return_index=True)
    symbol_B = symbol_B[first_B]
    if len(r_sample_B) < 2:
        empty = np.empty(0, dtype=np.int64)
        no_time = np.empty(0, dtype=np.float32)
        return Beats(
            r_sample_B=empty,
            start_B=empty,
            stop_B=empty,
            rr_previous_s_B=no_time,
            rr_next_s_B=no_time,
            rr_ratio_B=no_time,
            symbol_B=symbol_B[:0],
        )
    rr_s = (np.diff(r_sample_B) / sampling_rate_hz).astype(np.float32)
    rr_previous_s_B = np.concatenate([rr_s[:1], rr_s])
    rr_local_s_B = local_mean_rr(rr_s)
    rr_samples_B = rr_local_s_B.astype(np.float64) * sampling_rate_hz
    beats = Beats(
        r_sample_B=r_sample_B.astype(np.int64),
        start_B=np.rint(r_sample_B - before_r_rr * rr_samples_B).astype(np.int64),
        stop_B=np.rint(r_sample_B + after_r_rr * rr_samples_B).astype(np.int64),
        rr_previous_s_B=rr_previous_s_B,
        rr_next_s_B=np.concatenate([rr_s, rr_s[-1:]]),
        rr_ratio_B=(rr_previous_s_B / rr_local_s_B).astype(np.float32),
        symbol_B=symbol_B,
    )
    return beats.take(np.flatnonzero((beats.start_B >= 0) & (beats.stop_B <= num_samples)))


def beat_amplitudes(signal_CS: FloatArray, beats: Beats) -> FloatArray:
    """Peak-to-peak amplitude of each beat's segment in each lead, shape (beats, leads), in the signal's unit.

    The images do not show it: each is scaled to its own maximum.
    """
    if len(beats) == 0:
        return np.empty((0, len(signal_CS)), dtype=np.float32)
    # A segment may end with the recording, where an index for `reduceat` may not.
    padded_CS = np.pad(signal_CS, ((0, 0), (0, 1)), mode="edge")
    bounds = np.stack([beats.start_B, beats.stop_B], axis=1).ravel()
    high_CB = np.maximum.reduceat(padded_CS, bounds, axis=1)[:, ::2]
    low_CB = np.minimum.reduceat(padded_CS, bounds, axis=1)[:, ::2]
    return (high_CB - low_CB).T.astype(np.float32)


def label_detections(detected_B: IntArray, annotation: BeatAnnotation, sampling_rate_hz: float) -> StrArray:
    """The reference symbol of each detected beat (one to one, within 150 ms), "" where it has none."""
    reference_B, matched_B = match_peaks(annotation.sample_B, detected_B, MATCH_WINDOW_S * sampling_rate_hz)
    symbol_B = np.full(
        len(detected_B), "", dtype=annotation.symbol_B.dtype if len(annotation.symbol_B) else "<U1"
    )
    symbol_B[matched_B] = annotation.symbol_B[reference_B]
    return symbol_B


def match_peaks(reference_B: IntArray, detected_B: IntArray, window: float) -> tuple[IntArray, IntArray]:
    """Pair ascending peaks one to one: the pairs' indices into `reference_B` and `detected_B`, ascending.

    Two peaks are a pair if each is the nearest of the other within `window` samples. The remaining peaks are
    paired in the same way, until none are left within reach. At a tie, the earlier peak is taken.
    """
    free_reference, free_detected = np.arange(len(reference_B)), np.arange(len(detected_B))
    pairs: list[tuple[IntArray, IntArray]] = []
    while len(free_reference) and len(free_detected):
        reference, detected = reference_B[free_reference], detected_B[free_detected]
        to_detected = _nearest(reference, detected)
        to_reference = _nearest(detected, reference)
        mutual = to_reference[to_detected] == np.arange(len(reference))
        mutual &= np.abs(detected[to_detected] - reference) <= window
        if not mutual.any():
            break
        pairs.append((free_reference[mutual], free_detected[to_detected[mutual]]))
        free_reference = free_reference[~mutual]
        free_detected = np.delete(free_detected, to_detected[mutual])
    if not pairs:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    reference_index = np.concatenate([pair[0] for pair in pairs])
    detected_index = np.concatenate([pair[1] for pair in pairs])
    order = np.argsort(reference_index)
    return reference_index[order], detected_index[order]


def _nearest(sample: IntArray, others: IntArray) -> IntArray:
    """Index into ascending `others` of the one nearest to each of `sample`; the earlier at a tie."""
    right = (
        np.clip(np.searchsorted(others, sample), 1, len(others) - 1)
        if len(others) > 1
        else np.zeros_like(sample)
    )
    left = np.maximum(right - 1, 0)
    return np.where(np.abs(others[left] - sample) <= np.abs(others[right] - sample), left, right)
