"""The compiled filter against SciPy's."""

import numpy as np
import pytest
from scipy.signal import butter, cheby1, sosfiltfilt

from crtcore.signal.zero_phase import zero_phase


@pytest.mark.parametrize("num_sections", [1, 2, 3, 4])
@pytest.mark.parametrize("num_padding", [0, 1, 200, 5000])
def test_equals_sosfiltfilt(num_sections: int, num_padding: int) -> None:
    signal_CS = np.random.default_rng(0).normal(1, 1, (2, 700)).astype(np.float32)
    sos = butter(2 * num_sections, 0.3, output="sos")
    expected_CS = sosfiltfilt(sos, signal_CS.astype(float), padtype="even", padlen=min(num_padding, 699))
    filtered_CS = zero_phase(sos, signal_CS, num_padding)
    assert filtered_CS.dtype == np.float32
    np.testing.assert_allclose(filtered_CS, expected_CS, atol=1e-5)


def test_leaves_the_input_alone_and_takes_any_memory_layout() -> None:
    signal_CS = np.asfortranarray(np.random.default_rng(1).normal(0, 1, (3, 400)).astype(np.float32))
    before_CS = signal_CS.copy()
    sos = cheby1(2, 1, (6, 18), btype="bandpass", fs=360, output="sos")
    filtered_CS = zero_phase(sos, signal_CS, 100)
    assert np.array_equal(signal_CS, before_CS)
    assert np.array_equal(filtered_CS, zero_phase(sos, np.ascontiguousarray(signal_CS), 100))
    assert filtered_CS.shape == signal_CS.shape
