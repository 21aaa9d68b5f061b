"""The kernel of `spectrogram.py`: the wanted STFT bins of many short segments, as grey levels.

A frame's DFT is the difference of two prefix sums of x[n] exp(-2 pi i k n / N_FFT), so overlapping frames
share their work and only the wanted bins are computed. A periodic Hamming or Hann window of length W is a
constant less one cosine: in frequency a combination of bins k, k - N_FFT/W and k + N_FFT/W, applied after the
difference (sliding DFT: Jacobsen & Lyons 2003, IEEE Signal Processing Magazine 20(2):74).
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from crtcore.signal.recording import FloatArray, IntArray

N_FFT: Final = 512
IMAGE_SHAPE: Final = (64, 64)
_NUM_BINS: Final = IMAGE_SHAPE[0]
_NUM_FRAMES: Final = IMAGE_SHAPE[1]
_SHORTEST_WINDOW: Final = 64
_LARGEST_SHIFT: Final = N_FFT // _SHORTEST_WINDOW
_NUM_SUMS: Final = _NUM_BINS + _LARGEST_SHIFT
_SILENT_POWER: Final = 1e-30

_phase: Final = 2 * np.pi * (np.outer(np.arange(N_FFT), np.arange(_NUM_SUMS)) % N_FFT) / N_FFT
BASIS: Final = np.concatenate([np.cos(_phase), -np.sin(_phase)], axis=1).astype(np.float32)
"""exp(-2 pi i k n / N_FFT): real parts of bins 0 .. 71, then their imaginary parts, one row a sample."""


@njit(cache=True, fastmath=True)
def grey_images(
    signal_S: FloatArray,
    start_B: IntArray,
    stop_B: IntArray,
    first_B: IntArray,
    last_B: IntArray,
    window_length: int,
    window_mean: float,
    grey_per_octave: float,
    basis: FloatArray,
) -> npt.NDArray[np.uint8]:
    """Grey images of the segments [`start_B`, `stop_B`), shape (beats, bins, frames).

    Every frame's window must lie inside `signal_S`; samples outside [`first_B`, `last_B`) count as zero. The
    window is `window_mean` - (1 - `window_mean`) cos(2 pi m / `window_length`), its length a power of two
    from 64 to 512. 255 is the maximum power of the segment; each factor of two below subtracts
    `grey_per_octave`.
    """
    image_BFT = np.empty((len(start_B), _NUM_BINS, _NUM_FRAMES), np.uint8)
    power_TF = np.empty((_NUM_FRAMES, _NUM_BINS), np.float32)
    opening_T = np.empty((_NUM_FRAMES, 2 * _NUM_SUMS), np.float32)
    prefix = np.empty(2 * _NUM_SUMS, np.float32)
    rect_re = np.empty(_LARGEST_SHIFT + _NUM_SUMS, np.float32)
    rect_im = np.empty(_LARGEST_SHIFT + _NUM_SUMS, np.float32)
    grey_TF = np.empty((_NUM_FRAMES, _NUM_BINS), np.uint8)
    half = window_length // 2

    for beat in range(len(start_B)):
        start, length = start_B[beat], stop_B[beat] - start_B[beat]
        first, last = first_B[beat], last_B[beat]
        prefix[:] = np.float32(0)
        position = max(start + length // (2 * _NUM_FRAMES) - half, first)
        opened = 0
        for closed in range(_NUM_FRAMES):
            closing = start + (2 * closed + 1) * length // (2 * _NUM_FRAMES) + half
            # Add samples up to the end of frame `closed`, and keep the sums at the start of each frame.
            while opened < _NUM_FRAMES:
                opening = start + (2 * opened + 1) * length // (2 * _NUM_FRAMES) - half
                if opening > closing:
                    break
                position = _advance(prefix, signal_S, position, min(max(opening, first), last), basis)
                snapshot = opening_T[opened]
                for i in range(2 * _NUM_SUMS):  # several times as fast as a slice assignment
                    snapshot[i] = prefix[i]
                opened += 1
            position = _advance(prefix, signal_S, position, min(max(closing, first), last), basis)
            _difference(prefix, opening_T[closed], rect_re, rect_im)
            _windowed_power(
                rect_re, rect_im, closing - 2 * half, window_length, window_mean, basis, power_TF[closed]
            )
        _grey_levels(power_TF, grey_per_octave, grey_TF)
        for k in range(_NUM_BINS):
            for t in range(_NUM_FRAMES):
                image_BFT[beat, k, t] = grey_TF[t, k]
    return image_BFT


@njit(cache=True, fastmath=True)
def _advance(prefix: FloatArray, signal_S: FloatArray, position: int, target: int, basis: FloatArray) -> int:
    """Add the samples from `position` to before `target` to the prefix sums; where the sums now stand."""
    for n in range(position, target):
        x = signal_S[n]
        row = basis[n & (N_FFT - 1)]
        for i in range(2 * _NUM_SUMS):
            prefix[i] += x * row[i]
    return max(position, target)


@njit(cache=True, fastmath=True)
def _difference(prefix: FloatArray, opening: FloatArray, rect_re: FloatArray, rect_im: FloatArray) -> None:
    """Rectangular-window bins -8 .. 71 of a frame; bin k is at index k + 8, negative bins are conjugates."""
    for k in range(_NUM_SUMS):
        rect_re[_LARGEST_SHIFT + k] = prefix[k] - opening[k]
    for k in range(_NUM_SUMS):
        rect_im[_LARGEST_SHIFT + k] = prefix[_NUM_SUMS + k] - opening[_NUM_SUMS + k]
    for k in range(1, _LARGEST_SHIFT + 1):
        rect_re[_LARGEST_SHIFT - k] = rect_re[_LARGEST_SHIFT + k]
        rect_im[_LARGEST_SHIFT - k] = -rect_im[_LARGEST_SHIFT + k]


@njit(cache=True, fastmath=True)
def _windowed_power(
    rect_re: FloatArray,
    rect_im: FloatArray,
    frame_start: int,
    window_length: int,
    window_mean: float,
    basis: FloatArray,
    power_F: FloatArray,
) -> None:
    """Power of bins 0 .. 63 under the window, from the rectangular-window bins of the frame."""
    shift = N_FFT // window_length
    # The window's cosine starts at the frame, the sums' phase at sample 0: turn by exp(-2 pi i frame_start /
    # W).
    turn = (shift * frame_start) & (N_FFT - 1)
    side = np.float32((1 - window_mean) / 2)
    mean = np.float32(window_mean)
    turn_re, turn_im = basis[turn, 1] * side, basis[turn, _NUM_SUMS + 1] * side
    low_re, low_im = rect_re[_LARGEST_SHIFT - shift :], rect_im[_LARGEST_SHIFT - shift :]
    mid_re, mid_im = rect_re[_LARGEST_SHIFT:], rect_im[_LARGEST_SHIFT:]
    high_re, high_im = rect_re[_LARGEST_SHIFT + shift :], rect_im[_LARGEST_SHIFT + shift :]
    for k in range(_NUM_BINS):
        real = mean * mid_re[k] - turn_re * (low_re[k] + high_re[k]) + turn_im * (low_im[k] - high_im[k])
        imag = mean * mid_im[k] - turn_re * (low_im[k] + high_im[k]) - turn_im * (low_re[k] - high_re[k])
        power_F[k] = real * real + imag * imag


@njit(cache=True, fastmath=True)
def _grey_levels(power_TF: FloatArray, grey_per_octave: float, grey_TF: npt.NDArray[np.uint8]) -> None:
    """Log power below the maximum, as 255 or less; all 0 if nothing moves."""
    maximum = np.float32(_SILENT_POWER)
    for t in range(_NUM_FRAMES):
        for k in range(_NUM_BINS):
            maximum = max(maximum, power_TF[t, k])
    if maximum <= np.float32(_SILENT_POWER):
        grey_TF[:] = 0
        return
    offset = np.float32(255.5 - grey_per_octave * np.log2(maximum))
    scale = np.float32(grey_per_octave)
    bits_TF = power_TF.view(np.int32)
    mantissa_bits = np.empty(_NUM_BINS, np.int32)
    mantissa = mantissa_bits.view(np.float32)
    for t in range(_NUM_FRAMES):
        # log2 = the float's own exponent + a polynomial in its mantissa (error below 0.0002 octaves).
        for k in range(_NUM_BINS):
            mantissa_bits[k] = (bits_TF[t, k] & 0x7FFFFF) | 0x3F800000
        for k in range(_NUM_BINS):
            m = mantissa[k]
            octaves = np.float32((bits_TF[t, k] >> 23) - 127) + (
                np.float32(-2.51014793)
                + m
                * (
                    np.float32(4.05983795)
                    + m * (np.float32(-2.10761265) + m * (np.float32(0.63822994) - m * np.float32(0.0803073)))
                )
            )
            grey_TF[t, k] = np.uint8(
                np.int32(min(max(offset + scale * octaves, np.float32(0)), np.float32(255)))
            )
