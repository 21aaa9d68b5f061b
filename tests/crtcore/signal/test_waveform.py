"""Waveforms of one length, against the slow, obvious way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crtcore.signal.recording import Beats
from crtcore.signal.waveform import NUM_SAMPLES, as_images, waveforms


def beats_of(bounds: list[tuple[int, int]]) -> Beats:
    start_B, stop_B = np.array(bounds, dtype=np.int64).reshape(-1, 2).T
    second_B = np.ones(len(bounds), dtype=np.float32)
    return Beats(
        r_sample_B=start_B,
        start_B=start_B,
        stop_B=stop_B,
        rr_previous_s_B=second_B,
        rr_next_s_B=second_B,
        rr_ratio_B=second_B,
        symbol_B=np.full(len(bounds), "N"),
    )


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 1000),
    bounds=st.lists(
        st.tuples(st.integers(0, 2499), st.integers(1, 1500)).map(lambda b: (b[0], min(sum(b), 2500))),
        max_size=4,
    ),
)
def test_samples_lie_evenly_over_the_segment(seed: int, bounds: list[tuple[int, int]]) -> None:
    signal_S = np.random.default_rng(seed).standard_normal(2500).astype(np.float32)
    found_BS = waveforms(signal_S, beats_of(bounds))
    assert found_BS.shape == (len(bounds), NUM_SAMPLES) and found_BS.dtype == np.float32
    for found_S, (start, stop) in zip(found_BS, bounds, strict=True):
        edge = start + (stop - start) * (2 * np.arange(NUM_SAMPLES) + 1) / (2 * NUM_SAMPLES)
        np.testing.assert_allclose(found_S, np.interp(edge - 0.5, np.arange(2500), signal_S), atol=2e-3)


def test_many_beats_come_out_as_each_by_itself() -> None:
    signal_S = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    bounds = [(3 * beat, 3 * beat + 300 + beat % 7) for beat in range(600)]
    found_BS = waveforms(signal_S, beats_of(bounds))
    for beat in (0, 255, 256, 599):
        np.testing.assert_array_equal(
            found_BS[beat], waveforms(signal_S, beats_of(bounds[beat : beat + 1]))[0]
        )


def test_amplitudes_are_kept_and_missing_samples_are_zero() -> None:
    signal_S = np.full(500, 1.5, dtype=np.float32)
    signal_S[200:] = np.nan
    (waveform_S,) = waveforms(signal_S, beats_of([(0, 400)]))
    assert waveform_S[:500].tolist() == pytest.approx([1.5] * 500)
    assert waveform_S[520:].tolist() == [0.0] * (NUM_SAMPLES - 520)


def test_their_bytes_take_the_place_of_images() -> None:
    waveform_BS = np.random.default_rng(0).standard_normal((3, NUM_SAMPLES)).astype(np.float32)
    image_BFT = as_images(waveform_BS)
    assert image_BFT.shape == (3, 64, 64)
    assert np.shares_memory(image_BFT, waveform_BS)
    np.testing.assert_array_equal(image_BFT.reshape(3, -1).view(np.float32), waveform_BS)
