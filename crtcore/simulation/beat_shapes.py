"""The waves of a beat as Gaussians: normal, bundle branch blocks, paced, ectopic.

A QRS shape is given in fractions of its duration. Its first and last wave reach the onset (0) and the offset
(1) at 2.5 standard deviations, so the waveform really has the duration that is asked for. Criteria of the
blocks: Surawicz et al. 2009 (AHA/ACCF/HRS, Circulation 119:e235). Vectors are in mV on Frank's axes (left,
feet, back). Their values are ours, chosen by eye.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from crtcore.simulation.dipole import Float64Array, Waves, together

Conduction = Literal["normal", "ivcd", "lbbb", "rbbb", "paced"]
Vector = tuple[float, float, float]

P_WAVES = (  # right and left atrium: seconds after the P onset, standard deviation in seconds, vector
    (0.035, 0.017, (0.050, 0.080, -0.045)),
    (0.070, 0.019, (0.075, 0.065, 0.040)),
)


@dataclass(frozen=True, kw_only=True)
class VentricularShape:
    """QRS waves (centre and standard deviation as fractions of the QRS duration, vector) and
    repolarisation.
    """

    qrs: tuple[tuple[float, float, Vector], ...]
    st: Vector
    t: Vector
    spike: Vector = (0.0, 0.0, 0.0)

    def waves(self, *, qrs_duration_s: float, rr_s: float) -> Waves:
        """QRS, ST and T. The QT interval after the QRS grows with the square root of RR (Bazett 1920)."""
        rate = float(np.sqrt(rr_s))
        waves = [
            (qrs_duration_s * centre, qrs_duration_s * width, vector) for centre, width, vector in self.qrs
        ]
        waves += [
            (qrs_duration_s + 0.090 * rate, 0.045 * rate, self.st),
            (qrs_duration_s + 0.190 * rate, 0.060 * rate, _vector(0.55 * np.array(self.t))),
            (qrs_duration_s + 0.230 * rate, 0.046 * rate, _vector(0.60 * np.array(self.t))),
        ]
        if any(self.spike):
            waves.append((-0.006, 0.0016, self.spike))
        return _waves(waves)


def p_waves(*, pr_s: float, gain: Vector = (1.0, 1.0, 1.0)) -> Waves:
    """The P wave that starts `pr_s` before the QRS, each component times `gain` (y < 0: a low focus)."""
    waves = _waves([(onset_s - pr_s, width_s, vector) for onset_s, width_s, vector in P_WAVES])
    return waves.transformed(np.diag(gain))


def fusion(first: Waves, second: Waves, share: float) -> Waves:
    """A fusion beat: `share` of the second wavefront, the rest of the first."""
    return together([first.scaled(1 - share), second.scaled(share)])


def ectopic_shape(rng: np.random.Generator) -> VentricularShape:
    """A beat of a random ventricular focus: wide, large, with ST and T opposite to the QRS."""
    early_X, late_X = rng.normal(size=(2, 3)) * (1.0, 1.4, 1.0)
    early_X /= np.linalg.norm(early_X)
    late_X = early_X + 0.6 * late_X / np.linalg.norm(late_X)
    size_mv = rng.uniform(1.2, 1.9)
    return VentricularShape(
        qrs=(
            (0.33, 0.13, _vector(size_mv * early_X)),
            (0.64, 0.14, _vector(0.8 * size_mv * late_X)),
        ),
        st=_vector(-0.12 * size_mv * early_X),
        t=_vector(-0.35 * size_mv * (early_X + late_X) / 2),
    )


def varied(shape: VentricularShape, rng: np.random.Generator) -> VentricularShape:
    """One patient's version of the shape: QRS vectors changed by about a tenth, T larger or smaller."""
    t_gain = float(rng.lognormal(0.0, 0.2))
    qrs = []
    for centre, width, vector in shape.qrs:
        bent_X = np.array(vector) + 0.1 * np.linalg.norm(vector) * rng.normal(size=3)
        qrs.append((centre, width, _vector(bent_X)))
    return replace(shape, qrs=tuple(qrs), t=_vector(t_gain * np.array(shape.t)))


def _vector(value_X: Float64Array) -> Vector:
    x, y, z = value_X.tolist()
    return (x, y, z)


def _waves(waves: Sequence[tuple[float, float, Vector]]) -> Waves:
    centre_s, width_s, vector_mv = zip(*waves, strict=True)
    return Waves(
        centre_s_W=np.array(centre_s),
        width_s_W=np.array(width_s),
        vector_mv_WX=np.array(vector_mv, dtype=float),
    )


SHAPES: dict[Conduction, VentricularShape] = {
    "normal": VentricularShape(
        qrs=(
            (0.175, 0.070, (-0.14, -0.08, -0.26)),
            (0.450, 0.115, (1.00, 0.85, 0.28)),
            (0.740, 0.104, (-0.18, -0.14, 0.42)),
        ),
        st=(0.01, 0.01, -0.02),
        t=(0.30, 0.26, -0.13),
    ),
    # Wide without the shape of a block: a septal q in I and V6, one slurred R, a low T.
    "ivcd": VentricularShape(
        qrs=(
            (0.130, 0.050, (-0.16, -0.06, -0.25)),
            (0.370, 0.110, (0.90, 0.55, 0.25)),
            (0.600, 0.100, (0.25, 0.25, 0.45)),
            (0.790, 0.084, (-0.15, -0.20, 0.35)),
        ),
        st=(-0.03, -0.02, -0.03),
        t=(0.10, 0.12, -0.12),
    ),
    # No septal q; broad notched R to the left, QS or rS in V1, ST and T discordant.
    "lbbb": VentricularShape(
        qrs=(
            (0.250, 0.100, (0.95, 0.42, 0.00)),
            (0.490, 0.100, (0.48, 0.30, 1.05)),
            (0.730, 0.108, (1.05, 0.25, 0.70)),
        ),
        st=(-0.10, -0.02, -0.13),
        t=(-0.30, -0.06, -0.36),
    ),
    # Normal at first, then late to the right and to the front: rsR' in V1, broad S in I and V6.
    "rbbb": VentricularShape(
        qrs=(
            (0.110, 0.044, (-0.14, -0.08, -0.30)),
            (0.285, 0.070, (0.95, 0.75, 0.30)),
            (0.460, 0.065, (0.05, -0.10, 0.30)),
            (0.740, 0.104, (-0.45, 0.05, -0.65)),
        ),
        st=(0.02, 0.01, 0.04),
        t=(0.26, 0.20, 0.20),
    ),
    # Right ventricular apex: like a left bundle branch block, but upwards (negative in II), after a spike.
    "paced": VentricularShape(
        qrs=(
            (0.250, 0.100, (0.40, -0.55, 0.10)),
            (0.450, 0.090, (0.40, -1.15, 0.55)),
            (0.720, 0.112, (0.30, -0.45, 0.50)),
        ),
        st=(-0.06, 0.13, -0.10),
        t=(-0.15, 0.36, -0.25),
        spike=(0.25, -0.45, 0.15),
    ),
}
