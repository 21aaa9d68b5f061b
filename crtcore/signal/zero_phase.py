"""Zero-phase IIR filtering, as scipy's `sosfiltfilt` with an even extension but several times as fast."""

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from crtcore.signal.recording import FloatArray

_IDENTITY_SECTION: Final = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def zero_phase(sos: npt.NDArray[np.float64], signal_CS: FloatArray, num_padding: int) -> FloatArray:
    """Filter each lead forwards and backwards with sections `sos`, shape (sections, 6), in float64.

    Each end is continued by `num_padding` samples of its mirror image (as many as there are) and the filter
    starts in the steady state of the first of them. So short recordings keep their first and last second.
    The signal must not hold NaN.
    """
    if len(sos) % 2:
        sos = np.vstack([sos, _IDENTITY_SECTION])
    num_padding = min(num_padding, signal_CS.shape[1] - 1)
    filtered_CS = np.empty(signal_CS.shape, dtype=np.float32)
    for lead_S, filtered_S in zip(signal_CS, filtered_CS, strict=True):
        padded_S = np.pad(lead_S.astype(np.float64), num_padding, mode="reflect")
        _run_sections(sos, padded_S)
        _run_sections(sos, padded_S[::-1])
        filtered_S[:] = padded_S[num_padding : num_padding + len(lead_S)]
    return filtered_CS


@njit(cache=True)
def _run_sections(sos: npt.NDArray[np.float64], signal_S: npt.NDArray[np.float64]) -> None:
    """One direction in place, transposed direct form II, an even number of sections.

    Two sections share a pass: each waits for its own last output, so the second costs almost nothing.
    """
    for s in range(0, len(sos), 2):
        b0, b1, b2, a1, a2 = sos[s, 0], sos[s, 1], sos[s, 2], sos[s, 4], sos[s, 5]
        d0, d1, d2, c1, c2 = sos[s + 1, 0], sos[s + 1, 1], sos[s + 1, 2], sos[s + 1, 4], sos[s + 1, 5]
        first_gain, second_gain = (b0 + b1 + b2) / (1 + a1 + a2), (d0 + d1 + d2) / (1 + c1 + c2)
        start = signal_S[0]
        z1, z2 = start * (first_gain - b0), start * (b2 - a2 * first_gain)
        start *= first_gain
        v1, v2 = start * (second_gain - d0), start * (d2 - c2 * second_gain)
        for i in range(len(signal_S)):
            x = signal_S[i]
            y = b0 * x + z1
            z1 = b1 * x - a1 * y + z2
            z2 = b2 * x - a2 * y
            w = d0 * y + v1
            v1 = d1 * y - c1 * w + v2
            v2 = d2 * y - c2 * w
            signal_S[i] = w
