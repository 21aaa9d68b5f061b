"""The median beat of a vectorcardiogram: the patient's typical beat, with less noise.

Legend: X axes of the vectorcardiogram, B beats, S samples.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.errors import DataError
from crtcore.signal.r_peaks import detect_r_peaks
from crtcore.signal.recording import IntArray

Float64Array = npt.NDArray[np.float64]

BEFORE_S: Final = 0.30
AFTER_S: Final = 0.45
_REACH_S: Final = 0.06  # in a notched complex, the detector may mark either peak
_COMPARED_S: Final = 0.12
_LEAST_CORRELATION: Final = 0.9
_ROUNDS: Final = 3
_FEWEST_BEATS: Final = 3


@dataclass(frozen=True, kw_only=True)
class MedianBeat:
    """`vector_XS` is in mV, from BEFORE_S before the fiducial sample `fiducial` to AFTER_S after it.

    `rr_s` is the median interval between beats. `num_beats` is the number of beats in the median.
    """

    vector_XS: Float64Array
    fiducial: int
    rr_s: float
    num_beats: int
    sampling_rate_hz: float


def median_beat(vector_XS: Float64Array, sampling_rate_hz: float, *, record_id: str) -> MedianBeat:
    """The median of the aligned beats at each sample.

    Beats are detected on the main axis of the vectorcardiogram and aligned by correlation of their QRS
    complexes. Beats that differ from the rest (ectopic beats) are dropped. Raises DataError, which names
    `record_id`, if there are fewer than 3 whole beats.
    """
    centred_XS = vector_XS - np.median(vector_XS, axis=1, keepdims=True)
    axes_XX, _, _ = np.linalg.svd(centred_XS @ centred_XS.T)
    peak_B = detect_r_peaks((axes_XX[:, 0] @ centred_XS).astype(np.float32), sampling_rate_hz)
    before, after, reach = (round(span * sampling_rate_hz) for span in (BEFORE_S, AFTER_S, _REACH_S))
    whole_B = (peak_B >= before + reach) & (peak_B < centred_XS.shape[1] - after - reach)
    if whole_B.sum() < _FEWEST_BEATS:
        raise DataError(
            f"recording {record_id} has {whole_B.sum()} whole beats, too few to measure the QRS complex on; "
            f"give a recording of 5 s or more, or the QRS duration in the manifest"
        )
    rr_s = float(np.median(np.diff(peak_B))) / sampling_rate_hz
    peak_B = peak_B[whole_B]
    beat_BXS = _cut(centred_XS, peak_B, before, after)
    for _ in range(_ROUNDS):
        typical_XS = np.median(beat_BXS, axis=0)
        shift_B, correlation_B = _aligned(centred_XS, peak_B, typical_XS, before, reach, sampling_rate_hz)
        alike_B = correlation_B >= min(_LEAST_CORRELATION, float(np.median(correlation_B)))
        beat_BXS = _cut(centred_XS, (peak_B + shift_B)[alike_B], before, after)
    return MedianBeat(
        vector_XS=np.median(beat_BXS, axis=0),
        fiducial=before,
        rr_s=rr_s,
        num_beats=len(beat_BXS),
        sampling_rate_hz=sampling_rate_hz,
    )


def _cut(vector_XS: Float64Array, peak_B: IntArray, before: int, after: int) -> Float64Array:
    return np.stack([vector_XS[:, peak - before : peak + after] for peak in peak_B])


def _aligned(
    vector_XS: Float64Array,
    peak_B: IntArray,
    typical_XS: Float64Array,
    before: int,
    reach: int,
    sampling_rate_hz: float,
) -> tuple[IntArray, Float64Array]:
    """The shift in samples at which each beat correlates best with the typical QRS, and the correlation."""
    half = round(_COMPARED_S * sampling_rate_hz)
    template_XS = typical_XS[:, before - half : before + half]
    around_BXS = _cut(vector_XS, peak_B, half + reach, half + reach)
    # Shape (beats, axes, shifts, samples): all positions of the template.
    placed = np.lib.stride_tricks.sliding_window_view(around_BXS, 2 * half, axis=2)
    product = np.einsum("bxts,xs->bt", placed, template_XS)
    energy = np.einsum("bxts,bxts->bt", placed, placed) * float((template_XS**2).sum())
    correlation = product / np.sqrt(np.maximum(energy, np.finfo(np.float64).tiny))
    best_B = correlation.argmax(axis=1)
    return best_B - reach, correlation.max(axis=1)
