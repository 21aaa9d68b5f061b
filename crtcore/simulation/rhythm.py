"""The times of the beats: a sinus rhythm with heart-rate variability, and ectopic beats."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from crtcore.signal.recording import StrArray
from crtcore.simulation.dipole import Float64Array

Timing = Literal["in_turn", "reset", "compensated", "fused", "escape"]

# WFDB beat code -> the timing of the beat. `in_turn`: on time. `reset`: early, and it resets the sinus node.
# `compensated`: early, and the next sinus beat is on time (a full compensatory pause). `fused`: slightly
# early, so it merges with the sinus beat. `escape`: after a pause.
TIMING: dict[str, Timing] = {
    "N": "in_turn", "L": "in_turn", "R": "in_turn", "/": "in_turn", "Q": "in_turn",
    "A": "reset", "a": "reset", "J": "reset", "S": "reset",
    "V": "compensated", "F": "fused", "f": "in_turn",
    "e": "escape", "j": "escape", "E": "escape",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The beats of one recording: QRS onset, RR interval before it, WFDB beat code."""

    onset_s_B: Float64Array
    rr_s_B: Float64Array
    symbol_B: StrArray


def schedule(
    rng: np.random.Generator,
    *,
    duration_s: float,
    mean_rr_s: float,
    variability: float,
    respiration_hz: float,
    basic_symbol: str,
    ectopy: Mapping[str, float],
) -> Schedule:
    """Beats over `duration_s`.

    `ectopy` maps a beat code to its share of all beats. Each code occurs at least once. `variability` is the
    standard deviation of RR as a share of its mean. It comes from the Mayer wave (0.1 Hz), respiration and
    chance, as in McSharry 2003.
    """
    num_expected = int(duration_s / mean_rr_s)
    codes = [code for code, share in ectopy.items() for _ in range(max(1, round(share * num_expected)))]
    places = rng.choice(np.arange(1, max(2, int(0.9 * num_expected))), size=len(codes), replace=False)
    out_of_turn = dict(zip(places.tolist(), codes, strict=True))
    phases = rng.uniform(0, 2 * np.pi, size=2)

    onsets: list[float] = []
    intervals: list[float] = []
    symbols: list[str] = []
    last_s = -mean_rr_s * rng.uniform()
    resume_s: float | None = None  # time of the next sinus beat after a beat that did not reset it
    while True:
        swing = np.sin(2 * np.pi * 0.1 * last_s + phases[0]) + 0.8 * np.sin(
            2 * np.pi * respiration_hz * last_s + phases[1]
        )
        rr_s = mean_rr_s * float(np.clip(1 + variability * (0.7 * swing + 0.5 * rng.normal()), 0.6, 1.5))
        code = out_of_turn.get(len(onsets), basic_symbol)
        match TIMING[code]:
            case "in_turn":
                onset_s, next_resume_s = last_s + rr_s, None
            case "reset":
                onset_s, next_resume_s = last_s + rng.uniform(0.62, 0.80) * rr_s, None
            case "compensated":
                onset_s, next_resume_s = last_s + rng.uniform(0.55, 0.75) * rr_s, last_s + 2 * rr_s
            case "fused":
                onset_s, next_resume_s = last_s + rng.uniform(0.92, 0.98) * rr_s, last_s + 2 * rr_s
            case "escape":
                onset_s, next_resume_s = last_s + rng.uniform(1.35, 1.6) * rr_s, None
        if resume_s is not None and TIMING[code] == "in_turn":
            onset_s = resume_s
        if onset_s >= duration_s:
            break
        if onset_s >= 0:
            onsets.append(onset_s)
            intervals.append(onset_s - last_s)
            symbols.append(code)
        last_s, resume_s = onset_s, next_resume_s
    return Schedule(onset_s_B=np.array(onsets), rr_s_B=np.array(intervals), symbol_B=np.array(symbols))
