"""The heart of one simulated patient: conduction, axis, size, ectopic foci; and each of its beats."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from crtcore.signal.recording import IntArray, StrArray
from crtcore.simulation.beat_shapes import (
    SHAPES,
    Conduction,
    VentricularShape,
    ectopic_shape,
    fusion,
    p_waves,
    varied,
)
from crtcore.simulation.dipole import Float64Array, Waves, heart_vector, together
from crtcore.simulation.rhythm import Schedule

BASIC_SYMBOL: dict[Conduction, str] = {"normal": "N", "ivcd": "N", "lbbb": "L", "rbbb": "R", "paced": "/"}

AXIS_SD_DEG = 9.0  # electrical axis between patients, and with breathing
BREATHING_AXIS_DEG = 3.0
BREATHING_SIZE = 0.05


@dataclass(frozen=True, kw_only=True)
class Heart:
    """The properties of a heart that all its beats share."""

    conduction: Conduction
    shape: VentricularShape
    qrs_duration_s: float
    pr_s: float
    mean_rr_s: float
    variability: float
    respiration_hz: float
    gain: float
    axis_XX: Float64Array
    focus: VentricularShape
    escape_focus: VentricularShape

    @property
    def basic_symbol(self) -> str:
        return BASIC_SYMBOL[self.conduction]

    def conducted(self, *, rr_s: float, pr_s: float | None = None, p_gain: float = 1.0) -> Waves:
        """A beat with this heart's conduction. `p_gain` below 0 means a low atrial focus, 0 no P wave."""
        ventricles = self.shape.waves(qrs_duration_s=self.qrs_duration_s, rr_s=rr_s)
        if self.conduction == "paced" or p_gain == 0:
            return ventricles
        return together([p_waves(pr_s=pr_s or self.pr_s, gain=(abs(p_gain), p_gain, 1.0)), ventricles])


@dataclass(frozen=True, kw_only=True)
class Activity:
    """The heart vector over a recording, mV, shape (3, samples), and its beats: QRS onset, QRS duration and
    WFDB code.
    """

    vector_XS: Float64Array
    onset_s_B: Float64Array
    qrs_duration_s_B: Float64Array
    symbol_B: StrArray

    def r_peaks(self, lead_S: Float64Array, sampling_rate_hz: float) -> IntArray:
        """The samples at which the QRS is largest in a noise-free lead, as an annotator marks them.

        The delay from the onset is the median over the beats of one code. Otherwise the mark would jump
        between two peaks of almost the same height.
        """
        start_B = (self.onset_s_B * sampling_rate_hz).astype(np.int64)
        length_B = 1 + (self.qrs_duration_s_B * sampling_rate_hz).astype(np.int64)
        spans = zip(start_B, length_B, strict=True)
        delay_B = np.array([np.argmax(np.abs(lead_S[start : start + length])) for start, length in spans])
        for code in np.unique(self.symbol_B):
            delay_B[self.symbol_B == code] = int(np.median(delay_B[self.symbol_B == code]))
        return np.asarray(np.minimum(start_B + delay_B, len(lead_S) - 1))


def draw_heart(
    rng: np.random.Generator,
    conduction: Conduction,
    *,
    qrs_duration_s: float,
    mean_rr_s: float,
    variability: float,
) -> Heart:
    """A patient's heart: conduction and QRS duration are given, the rest is random and independent."""
    return Heart(
        conduction=conduction,
        shape=varied(SHAPES[conduction], rng),
        qrs_duration_s=qrs_duration_s,
        pr_s=rng.uniform(0.14, 0.20),
        mean_rr_s=mean_rr_s,
        variability=variability,
        respiration_hz=rng.uniform(0.2, 0.3),
        gain=float(np.clip(rng.lognormal(0.0, 0.22), 0.6, 1.6)),
        axis_XX=np.diag(rng.normal(1.0, 0.08, size=3))
        @ Rotation.from_rotvec(rng.normal(0.0, AXIS_SD_DEG, size=3), degrees=True).as_matrix(),
        focus=ectopic_shape(rng),
        escape_focus=ectopic_shape(rng),
    )


def beat(rng: np.random.Generator, heart: Heart, symbol: str, rr_s: float) -> tuple[Waves, float]:
    """The waves of one beat by its WFDB code, and its QRS duration in seconds."""
    own_s = heart.qrs_duration_s
    match symbol:
        case "N" if heart.conduction == "paced":  # a normal beat between paced beats
            return _normal(heart, rr_s), 0.095
        case "N" | "L" | "R" | "/":
            return heart.conducted(rr_s=rr_s), own_s
        case "A" | "S":
            return heart.conducted(rr_s=rr_s, pr_s=rng.uniform(0.12, 0.22), p_gain=-0.8), own_s
        case "e":
            return heart.conducted(rr_s=rr_s, pr_s=0.12, p_gain=-0.6), own_s
        case "J" | "j":
            return heart.conducted(rr_s=rr_s, p_gain=0.0), own_s
        case "a":
            aberrant = SHAPES["rbbb"].waves(qrs_duration_s=0.13, rr_s=rr_s)
            return together([p_waves(pr_s=0.16, gain=(0.8, -0.8, 1.0)), aberrant]), 0.13
        case "V" | "E":
            focus = heart.focus if symbol == "V" else heart.escape_focus
            return focus.waves(qrs_duration_s=0.15, rr_s=rr_s), 0.15
        case "F":
            ectopic = heart.focus.waves(qrs_duration_s=0.15, rr_s=rr_s)
            return fusion(heart.conducted(rr_s=rr_s), ectopic, rng.uniform(0.35, 0.65)), max(own_s, 0.14)
        case "f":
            return fusion(heart.conducted(rr_s=rr_s), _normal(heart, rr_s), rng.uniform(0.35, 0.65)), own_s
        case _:
            assert symbol == "Q", symbol
            return fusion(
                heart.conducted(rr_s=rr_s), ectopic_shape(rng).waves(qrs_duration_s=0.13, rr_s=rr_s), 0.5
            ), 0.13


def activity(
    rng: np.random.Generator, heart: Heart, beats: Schedule, *, sampling_rate_hz: float, num_samples: int
) -> Activity:
    """Every beat of the schedule. The patient's axis and breathing turn and scale it."""
    waves_B, durations_s = [], []
    for onset_s, rr_s, symbol in zip(beats.onset_s_B, beats.rr_s_B, beats.symbol_B.tolist(), strict=True):
        # The action potential adapts over many beats, so an early or late beat changes QT only by half.
        waves, duration_s = beat(
            rng, heart, symbol, float(np.sqrt(heart.mean_rr_s * np.clip(rr_s, 0.4, 1.6)))
        )
        breath = float(np.sin(2 * np.pi * heart.respiration_hz * onset_s))
        tilt_XX = Rotation.from_rotvec((0.0, 0.0, BREATHING_AXIS_DEG * breath), degrees=True).as_matrix()
        size = heart.gain * (1 + BREATHING_SIZE * breath + 0.02 * rng.normal())
        waves_B.append(waves.scaled(size).transformed(tilt_XX @ heart.axis_XX))
        durations_s.append(duration_s)
    vector_XS = heart_vector(
        waves_B, beats.onset_s_B, sampling_rate_hz=sampling_rate_hz, num_samples=num_samples
    )
    return Activity(
        vector_XS=vector_XS,
        onset_s_B=beats.onset_s_B,
        qrs_duration_s_B=np.array(durations_s),
        symbol_B=beats.symbol_B,
    )


def _normal(heart: Heart, rr_s: float) -> Waves:
    return together([p_waves(pr_s=heart.pr_s), SHAPES["normal"].waves(qrs_duration_s=0.095, rr_s=rr_s)])
