"""Features of a beat's timing and amplitude, which its spectrogram does not hold.

Legend: N images.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.late_fusion.groups import rows_by_record_and_lead
from crtcore.data.loader import ImageSet
from crtcore.signal.recording import FloatArray

LOWEST_AMPLITUDE_MV: Final = 1e-3


def rhythm_features(images: ImageSet) -> FloatArray:
    """Features of each image, shape (images, 18): relative RR intervals and amplitudes.

    RR intervals follow de Chazal et al. 2004 (IEEE TBME 51:1196). The columns are:
    0-1: the previous and the next RR interval, divided by their local mean;
    2: the logarithm of next / previous;
    3-4: the previous and the next RR interval, divided by the record's median;
    5-6: the logarithm of the beat's amplitude, and the same minus the median of the record in that lead;
    7-10: columns 0, 1 and 6 of the beat before, and the difference of the log amplitudes;
    11-14: the same for the beat after;
    15-17: the previous RR interval divided by the record's mean, third quartile and 90th percentile. If most
    beats of a record are early, its median is that of early beats.
    All statistics are of one record only, and labels are not used.
    """
    previous_N = images.rr_previous_s_N.astype(np.float64)
    next_N = images.rr_next_s_N.astype(np.float64)
    local_N = previous_N / images.rr_ratio_N
    log_amplitude_N = np.log(np.maximum(images.amplitude_mv_N, LOWEST_AMPLITUDE_MV)).astype(np.float64)
    typical_rr_N, typical_amplitude_N = np.empty_like(previous_N), np.empty_like(previous_N)
    long_rr_3N = np.empty((3, images.num_images))
    before_N, after_N = np.arange(images.num_images), np.arange(images.num_images)
    for rows in rows_by_record_and_lead(images):
        typical_rr_N[rows] = np.median(previous_N[rows])
        long_rr_3N[:, rows] = np.array(
            [previous_N[rows].mean(), *np.quantile(previous_N[rows], [0.75, 0.9])]
        )[:, None]
        typical_amplitude_N[rows] = np.median(log_amplitude_N[rows])
        before_N[rows[1:]], after_N[rows[:-1]] = rows[:-1], rows[1:]
    columns: list[npt.NDArray[np.floating]] = [
        images.rr_ratio_N,
        next_N / local_N,
        np.log(next_N / previous_N),
        previous_N / typical_rr_N,
        next_N / typical_rr_N,
        log_amplitude_N,
        log_amplitude_N - typical_amplitude_N,
    ]
    for neighbour_N in (before_N, after_N):  # the first and the last beat are their own neighbours
        columns += [columns[index][neighbour_N] for index in (0, 1, 6)]
        columns.append(log_amplitude_N - log_amplitude_N[neighbour_N])
    columns += list(previous_N / long_rr_3N)
    return np.stack(columns, axis=1).astype(np.float32)
