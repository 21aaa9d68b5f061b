"""Beats -> log-power STFT images of one fixed frequency and frame grid."""

from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.config import SpectrogramConfig
from crtcore.signal.recording import Beats, FloatArray
from crtcore.signal.sliding_dft import BASIS, IMAGE_SHAPE, N_FFT, grey_images

__all__ = ["IMAGE_SHAPE", "N_FFT", "SAMPLING_RATE_HZ", "spectrogram_images"]

SAMPLING_RATE_HZ: Final = 360.0
_WINDOW_MEAN: Final = {"hamming": 0.54, "hann": 0.5}
_DB_PER_OCTAVE: Final = 10 * np.log10(2)


def spectrogram_images(
    signal_S: FloatArray, beats: Beats, config: SpectrogramConfig
) -> npt.NDArray[np.uint8]:
    """The image of each beat on one lead, shape (beats, 64 frequency bins, 64 frames), row 0 = 0 Hz.

    `signal_S` is the lead at `SAMPLING_RATE_HZ`; missing samples (NaN) count as zero. Bin k is k * 360 / 512
    Hz, so an image reaches 44.3 Hz. Frame t is centred at start + floor((2 t + 1) (stop - start) / 128) of
    the beat's segment, its window is periodic (DFT-even). Beyond the segment, a window sees the
    neighbouring signal, reflected at the ends of the recording (`context`), or zeros. 255 is the maximum
    power of the beat, 0 is `dynamic_range_db` or more below it; a beat without any signal is all 0.
    """
    half = config.window_length // 2
    padded_S = np.pad(np.nan_to_num(signal_S), half, mode="reflect").astype(np.float32, copy=False)
    start_B, stop_B = beats.start_B + half, beats.stop_B + half
    if config.padding == "zeros":
        first_B, last_B = start_B, stop_B
    else:
        first_B, last_B = np.zeros_like(start_B), np.full_like(stop_B, len(padded_S))
    return grey_images(
        padded_S,
        start_B,
        stop_B,
        first_B,
        last_B,
        config.window_length,
        _WINDOW_MEAN[config.window],
        255 * _DB_PER_OCTAVE / config.dynamic_range_db,
        BASIS,
    )
