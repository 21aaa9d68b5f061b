"""The kernel alone: one segment of one frequency. test_spectrogram.py compares it with the obvious FFT."""

import numpy as np
import numpy.typing as npt
import pytest

from crtcore.signal.recording import FloatArray
from crtcore.signal.sliding_dft import BASIS, grey_images

RATE_HZ = 360
N_FFT = 512


def one_image(signal_S: FloatArray, window_length: int, first: int = 0) -> npt.NDArray[np.uint8]:
    start_B, stop_B = np.array([400]), np.array([800])
    first_B, last_B = np.array([first]), np.array([len(signal_S)])
    images = grey_images(signal_S, start_B, stop_B, first_B, last_B, window_length, 0.5, 10.0, BASIS)
    image_FT: npt.NDArray[np.uint8] = images[0]
    return image_FT


@pytest.mark.parametrize("window_length", [64, 128, 256, 512])
@pytest.mark.parametrize("bin_number", [20, 40])
def test_a_sine_is_brightest_in_its_own_bin_in_every_frame(window_length: int, bin_number: int) -> None:
    time_S = np.arange(1600) / RATE_HZ
    signal_S = np.sin(2 * np.pi * bin_number * RATE_HZ / N_FFT * time_S).astype(np.float32)
    image_FT = one_image(signal_S, window_length)
    assert image_FT.shape == (64, 64)
    assert (np.abs(image_FT.argmax(axis=0) - bin_number) <= N_FFT / window_length / 4).all()
    assert image_FT.max() == 255


def test_nothing_moves_nothing_shines() -> None:
    assert not one_image(np.zeros(1600, np.float32), 64).any()


def test_samples_outside_the_bounds_count_as_zero() -> None:
    signal_S = np.random.default_rng(0).normal(size=1600).astype(np.float32)
    cut_S = signal_S.copy()
    cut_S[:600] = 0
    np.testing.assert_array_equal(one_image(signal_S, 128, first=600), one_image(cut_S, 128, first=600))
