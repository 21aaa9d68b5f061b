"""The sliding-DFT images against the obvious strided FFT."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import get_window

from crtcore.config import SpectrogramConfig
from crtcore.signal.recording import Beats, FloatArray
from crtcore.signal.spectrogram import IMAGE_SHAPE, N_FFT, SAMPLING_RATE_HZ, spectrogram_images


def beats_at(*segments: tuple[int, int]) -> Beats:
    """Beats with the given (start, stop); only these two fields matter here."""
    start_B, stop_B = np.array(segments, dtype=np.int64).reshape(-1, 2).T
    seconds_B = np.ones(len(start_B), dtype=np.float32)
    return Beats(
        r_sample_B=(start_B + stop_B) // 2,
        start_B=start_B,
        stop_B=stop_B,
        rr_previous_s_B=seconds_B,
        rr_next_s_B=seconds_B,
        rr_ratio_B=seconds_B,
        symbol_B=np.full(len(start_B), "N"),
    )


def strided_fft(signal_S: FloatArray, beats: Beats, config: SpectrogramConfig) -> npt.NDArray[np.float64]:
    """The slow oracle: every frame cut out, windowed and transformed, in float64; unrounded grey levels."""
    num_bins, num_frames = IMAGE_SHAPE
    half = config.window_length // 2
    padded_S = np.pad(signal_S.astype(np.float64), half, mode="reflect")
    start_B1, stop_B1 = beats.start_B[:, None], beats.stop_B[:, None]
    centre_BT = start_B1 + (2 * np.arange(num_frames) + 1) * (stop_B1 - start_B1) // (2 * num_frames)
    sample_BTS = centre_BT[:, :, None] + np.arange(-half, half)
    frame_BTS = padded_S[sample_BTS + half] * get_window(config.window, config.window_length, fftbins=True)
    if config.padding == "zeros":
        frame_BTS *= (sample_BTS >= start_B1[:, :, None]) & (sample_BTS < stop_B1[:, :, None])
    power_BTF = np.abs(np.fft.rfft(frame_BTS, N_FFT, axis=2)[:, :, :num_bins]) ** 2
    maximum_B = power_BTF.max(axis=(1, 2))
    relative_BTF = power_BTF / np.where(maximum_B > 0, maximum_B, 1)[:, None, None]
    below_db_BTF = 10 * np.log10(np.maximum(relative_BTF, 1e-30))
    grey_BTF: npt.NDArray[np.float64] = 255 * np.clip(1 + below_db_BTF / config.dynamic_range_db, 0, 1)
    return grey_BTF.swapaxes(1, 2)


def ecg_like(seed: int, num_samples: int) -> FloatArray:
    """Narrow spikes, slow waves and noise of random size, about 1 mV."""
    rng = np.random.default_rng(seed)
    time_S = np.arange(num_samples) / SAMPLING_RATE_HZ
    signal_S = 0.3 * np.sin(2 * np.pi * rng.uniform(0.5, 8) * time_S) + rng.normal(0, 0.02, num_samples)
    for peak in rng.uniform(0, time_S[-1], size=6):
        signal_S += rng.uniform(-2, 2) * np.exp(-(((time_S - peak) / rng.uniform(0.01, 0.05)) ** 2))
    return signal_S.astype(np.float32)


configs = st.builds(
    SpectrogramConfig,
    window=st.sampled_from(["hamming", "hann"]),
    window_length=st.sampled_from([64, 128, 256, 512]),
    padding=st.sampled_from(["context", "zeros"]),
    dynamic_range_db=st.sampled_from([40.0, 60.0, 80.0]),
)


@settings(max_examples=60, deadline=None)
@given(
    config=configs,
    seed=st.integers(0, 10_000),
    segments=st.lists(st.tuples(st.integers(0, 1400), st.integers(30, 1400)), min_size=1, max_size=4),
)
def test_equals_the_strided_fft_within_one_grey_level(
    config: SpectrogramConfig, seed: int, segments: list[tuple[int, int]]
) -> None:
    signal_S = ecg_like(seed, 1500)
    beats = beats_at(*[(start, min(start + length, 1500)) for start, length in segments])
    image_BFT = spectrogram_images(signal_S, beats, config)
    expected_BFT = strided_fft(signal_S, beats, config)
    assert image_BFT.dtype == np.uint8
    assert np.abs(image_BFT - expected_BFT).max() <= 1.0


def test_a_sine_lights_up_its_own_row() -> None:
    bin_number = 20
    time_S = np.arange(2000) / SAMPLING_RATE_HZ
    signal_S = np.sin(2 * np.pi * bin_number * SAMPLING_RATE_HZ / N_FFT * time_S).astype(np.float32)
    image_FT = spectrogram_images(signal_S, beats_at((600, 1000)), SpectrogramConfig(window_length=512))[0]
    assert (image_FT.argmax(axis=0) == bin_number).all()
    assert image_FT.max() == 255


def test_an_impulse_lights_up_its_own_columns() -> None:
    signal_S = np.zeros(2000, dtype=np.float32)
    signal_S[800] = 1.0
    image_FT = spectrogram_images(signal_S, beats_at((600, 1000)), SpectrogramConfig(window_length=64))[0]
    centre_T = 600 + (2 * np.arange(64) + 1) * 400 // 128
    assert ((image_FT.max(axis=0) > 0) == (np.abs(800 - centre_T) <= 32)).sum() >= 62
    assert image_FT[:, np.abs(800 - centre_T) > 32].max() == 0


def test_neighbouring_signal_counts_only_as_context() -> None:
    signal_S = ecg_like(1, 2000)
    other_S = signal_S.copy()
    other_S[:580] += 1.0
    beats = beats_at((600, 900))
    for padding, same in (("context", False), ("zeros", True)):
        config = SpectrogramConfig.model_validate({"padding": padding, "window_length": 256})
        image_BFT = spectrogram_images(signal_S, beats, config)
        other_BFT = spectrogram_images(other_S, beats, config)
        assert np.array_equal(image_BFT, other_BFT) == same


def test_amplitude_does_not_matter() -> None:
    signal_S = ecg_like(2, 2000)
    beats = beats_at((300, 700))
    image_BFT = spectrogram_images(signal_S, beats, SpectrogramConfig())
    assert np.array_equal(image_BFT, spectrogram_images(signal_S * np.float32(4), beats, SpectrogramConfig()))


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_silence_and_missing_samples_are_black(value: float) -> None:
    signal_S = np.full(2000, value, dtype=np.float32)
    assert spectrogram_images(signal_S, beats_at((300, 700)), SpectrogramConfig()).max() == 0


def test_a_segment_at_the_recordings_edges_sees_the_reflection() -> None:
    signal_S = ecg_like(3, 400)
    beats = beats_at((0, 400))
    config = SpectrogramConfig(window_length=512)
    assert (
        np.abs(spectrogram_images(signal_S, beats, config) - strided_fft(signal_S, beats, config)).max()
        <= 1.0
    )


def test_no_beats_give_no_images() -> None:
    assert spectrogram_images(ecg_like(0, 2000), beats_at(), SpectrogramConfig()).shape == (0, 64, 64)
