"""Beats -> waveforms of one fixed length, for networks that read samples instead of images."""

from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.signal.recording import Beats, FloatArray
from crtcore.signal.sliding_dft import IMAGE_SHAPE

NUM_SAMPLES: Final = IMAGE_SHAPE[0] * IMAGE_SHAPE[1] // 4  # float32 in the bytes of one image
BEATS_AT_ONCE: Final = 256  # temporary arrays that a processor's cache holds


def waveforms(signal_S: FloatArray, beats: Beats) -> FloatArray:
    """The segment of each beat on one lead as 1024 samples, in the signal's unit, shape (beats, 1024).

    It is resampled by linear interpolation; sample i lies at (2 i + 1) / 2048 of the segment. The 64 frames
    of an image divide the segment in the same way, so both kinds of network see the same span. The
    alternative, 1.2 RR at the recording's rate padded with zeros (Kachuee et al. 2018, ICHI, arXiv
    1805.00794), would show the heart rate as the length of the zeros and fill the average with them.
    Amplitudes stay as they are; missing samples (NaN) count as zero.
    """
    whole_S = np.nan_to_num(signal_S).astype(np.float32, copy=False)
    middle_S = ((np.arange(NUM_SAMPLES) + 0.5) / NUM_SAMPLES).astype(np.float32)
    waveform_BS = np.empty((len(beats), NUM_SAMPLES), dtype=np.float32)
    for first in range(0, len(beats), BEATS_AT_ONCE):
        part = slice(first, first + BEATS_AT_ONCE)
        start_B1 = beats.start_B[part, None]
        # A sample's value is the signal's at its middle, half a sample after its number.
        offset_BS = (beats.stop_B[part, None] - start_B1).astype(np.float32) * middle_S - np.float32(0.5)
        before_BS = np.floor(offset_BS)
        share_BS = offset_BS - before_BS
        index_BS = start_B1 + before_BS.astype(np.int64)
        low_BS = whole_S[np.maximum(index_BS, 0)]
        high_BS = whole_S[np.minimum(index_BS + 1, len(whole_S) - 1)]
        waveform_BS[part] = low_BS + share_BS * (high_BS - low_BS)
    return waveform_BS


def as_images(waveform_BS: FloatArray) -> npt.NDArray[np.uint8]:
    """The bytes of waveforms in the shape of images, (beats, 64, 64), without a copy."""
    return waveform_BS.view(np.uint8).reshape(len(waveform_BS), *IMAGE_SHAPE)
