"""The dipole model of the ECG: a heart vector that is a sum of Gaussian waves, projected on the leads.

McSharry et al. 2003 (IEEE Trans. Biomed. Eng. 50:289) write one lead as a sum of Gaussians; Sameni et al.
2007 (EURASIP J. Adv. Signal Process. 2007:043407) do so for the three components of the cardiac dipole and
project it on the body surface. Here the Gaussians are functions of time, not of the phase of the cycle, so a
QRS complex keeps its width when the rate changes.

More axes in the simulator: W waves, X the Frank axes x (to the left), y (to the feet), z (to the back).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]

MEASURED_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
TWELVE_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

# Dower, Machado & Osborne 1980 (Clin. Cardiol. 3:87): MEASURED_LEADS from Frank's x, y, z.
DOWER_CX: Float64Array = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)

# A beat is evaluated from this long before its QRS onset to this long after it, which includes P and T.
BEFORE_ONSET_S = 0.45
AFTER_ONSET_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Waves:
    """The Gaussian waves of one beat: centre from the QRS onset, standard deviation, amplitude."""

    centre_s_W: Float64Array
    width_s_W: Float64Array
    vector_mv_WX: Float64Array

    def scaled(self, gain: float) -> "Waves":
        return Waves(
            centre_s_W=self.centre_s_W, width_s_W=self.width_s_W, vector_mv_WX=gain * self.vector_mv_WX
        )

    def transformed(self, matrix_XX: Float64Array) -> "Waves":
        """The same waves with each vector multiplied by `matrix_XX`: another electrical axis."""
        return Waves(
            centre_s_W=self.centre_s_W, width_s_W=self.width_s_W, vector_mv_WX=self.vector_mv_WX @ matrix_XX.T
        )

    def at(self, time_s_S: Float64Array) -> Float64Array:
        """The heart vector, mV, shape (3, samples), at times from the QRS onset."""
        deviation_WS = (time_s_S - self.centre_s_W[:, None]) / self.width_s_W[:, None]
        return np.asarray(self.vector_mv_WX.T @ np.exp(-0.5 * deviation_WS**2))


def together(waves: Sequence[Waves]) -> Waves:
    """All waves in one beat: their vectors add up."""
    return Waves(
        centre_s_W=np.concatenate([wave.centre_s_W for wave in waves]),
        width_s_W=np.concatenate([wave.width_s_W for wave in waves]),
        vector_mv_WX=np.concatenate([wave.vector_mv_WX for wave in waves]),
    )


def heart_vector(
    waves_B: Sequence[Waves], onset_s_B: Float64Array, *, sampling_rate_hz: float, num_samples: int
) -> Float64Array:
    """The heart vector over a recording, mV, shape (3, samples): the sum of the beats at their QRS onsets."""
    vector_XS = np.zeros((3, num_samples))
    for waves, onset_s in zip(waves_B, onset_s_B, strict=True):
        start = max(0, int((onset_s - BEFORE_ONSET_S) * sampling_rate_hz))
        stop = min(num_samples, int((onset_s + AFTER_ONSET_S) * sampling_rate_hz))
        if start < stop:
            vector_XS[:, start:stop] += waves.at(np.arange(start, stop) / sampling_rate_hz - onset_s)
    return vector_XS


def twelve_leads(measured_CS: Float64Array) -> Float64Array:
    """TWELVE_LEADS from MEASURED_LEADS: I and II determine the other limb leads (Einthoven, Goldberger)."""
    i_S, ii_S = measured_CS[0], measured_CS[1]
    limb_CS = np.stack([i_S, ii_S, ii_S - i_S, -(i_S + ii_S) / 2, i_S - ii_S / 2, ii_S - i_S / 2])
    return np.concatenate([limb_CS, measured_CS[2:]])
