"""A simulated database like MIT-BIH: two leads, 360 Hz, format 212, every beat annotated."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crtcore.seeding import child_seed
from crtcore.signal.recording import BeatAnnotation, Recording
from crtcore.signal.wfdb_reader import write_recording
from crtcore.simulation.beat_shapes import Conduction
from crtcore.simulation.dipole import DOWER_CX, MEASURED_LEADS, Float64Array
from crtcore.simulation.heart import Activity, activity, draw_heart
from crtcore.simulation.noise import draw_noise_levels, noise
from crtcore.simulation.rhythm import schedule

SAMPLING_RATE_HZ = 360.0
MAINS_HZ = 60.0
ADC_GAIN = 200.0
LEADS = ("MLII", "V1")  # the modified limb lead II is simulated as lead II
LEAD_ROWS = (MEASURED_LEADS.index("II"), MEASURED_LEADS.index("V1"))


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A kind of patient: conduction, range of QRS durations, and the share of each ectopic beat code."""

    conduction: Conduction
    qrs_duration_s: tuple[float, float]
    ectopy: dict[str, float]
    variability: float = 0.04


# Records take these in turn. The first four together have all five AAMI and all five morphology classes.
PROFILES = (
    Profile(conduction="normal", qrs_duration_s=(0.08, 0.10), ectopy={"V": 0.10, "F": 0.04}),
    Profile(conduction="lbbb", qrs_duration_s=(0.13, 0.17), ectopy={"A": 0.05, "V": 0.01}),
    Profile(
        conduction="paced",
        qrs_duration_s=(0.15, 0.18),
        ectopy={"f": 0.10, "V": 0.03, "Q": 0.02},
        variability=0.005,
    ),
    Profile(conduction="rbbb", qrs_duration_s=(0.13, 0.16), ectopy={"A": 0.04, "V": 0.02}),
    Profile(conduction="normal", qrs_duration_s=(0.08, 0.10), ectopy={"A": 0.12, "a": 0.03, "S": 0.01}),
    Profile(
        conduction="normal",
        qrs_duration_s=(0.08, 0.10),
        ectopy={"j": 0.02, "e": 0.01, "E": 0.02, "J": 0.02},
    ),
    Profile(conduction="normal", qrs_duration_s=(0.08, 0.11), ectopy={"V": 0.22}),
    Profile(conduction="lbbb", qrs_duration_s=(0.13, 0.17), ectopy={"V": 0.05, "F": 0.01}),
    Profile(conduction="normal", qrs_duration_s=(0.07, 0.09), ectopy={}, variability=0.07),
    Profile(conduction="rbbb", qrs_duration_s=(0.12, 0.15), ectopy={"V": 0.06, "a": 0.01}),
)  # fmt: skip


def write_database(
    folder: Path, *, seed: int, num_records: int, minutes: float, on_record: Callable[[int], None]
) -> None:
    """Write the records, RECORDS and SIMULATED.txt to the empty `folder`.

    `on_record` is called with the number of records written so far.
    """
    names = [f"sim{number:03d}" for number in range(1, num_records + 1)]
    for done, name in enumerate(names):
        profile = PROFILES[done % len(PROFILES)]
        recording = simulate_recording(
            name, profile, seed=child_seed(seed, "mitdb", name), duration_s=60 * minutes
        )
        comments = [
            "SIMULATED: synthetic signal and annotations from crtsearch simulate, not a patient",
            f"simulated conduction: {profile.conduction}",
        ]
        write_recording(folder, recording, fmt="212", comments=comments, adc_gain=ADC_GAIN)
        on_record(done + 1)
    (folder / "RECORDS").write_text("".join(f"{name}\n" for name in names))
    (folder / "SIMULATED.txt").write_text(
        "SIMULATED DATA. Recordings and annotations are synthetic, written by `crtsearch simulate`.\n"
        "They are laid out like the MIT-BIH Arrhythmia Database and hold none of it.\n"
    )


def simulate_recording(name: str, profile: Profile, *, seed: int, duration_s: float) -> Recording:
    """One annotated two-lead recording. It depends on its profile and seed only.

    Like real ones, its annotation also has a rhythm mark (+) at the start and signal-quality marks (~).
    """
    rng = np.random.default_rng(seed)
    low_s, high_s = profile.qrs_duration_s
    heart = draw_heart(
        rng,
        profile.conduction,
        qrs_duration_s=rng.uniform(low_s, high_s),
        mean_rr_s=60 / rng.uniform(58, 95),
        variability=profile.variability,
    )
    beats = schedule(
        rng,
        duration_s=duration_s,
        mean_rr_s=heart.mean_rr_s,
        variability=heart.variability,
        respiration_hz=heart.respiration_hz,
        basic_symbol=heart.basic_symbol,
        ectopy=profile.ectopy,
    )
    num_samples = round(duration_s * SAMPLING_RATE_HZ)
    beating = activity(rng, heart, beats, sampling_rate_hz=SAMPLING_RATE_HZ, num_samples=num_samples)
    clean_CS = DOWER_CX[LEAD_ROWS, :] @ beating.vector_XS
    noise_CS = noise(
        rng,
        draw_noise_levels(rng, mains_hz=MAINS_HZ, respiration_hz=heart.respiration_hz),
        num_leads=len(LEADS),
        num_samples=num_samples,
        sampling_rate_hz=SAMPLING_RATE_HZ,
    )
    return Recording(
        record_id=name,
        patient_id=name,
        leads=LEADS,
        sampling_rate_hz=SAMPLING_RATE_HZ,
        signal_CS=(clean_CS + noise_CS).astype(np.float32),
        annotation=_annotation(rng, beating, clean_CS[0], num_samples),
    )


def _annotation(
    rng: np.random.Generator, beating: Activity, lead_S: Float64Array, num_samples: int
) -> BeatAnnotation:
    marks = [
        (18, "+"),
        *((int(sample), "~") for sample in rng.integers(num_samples // 4, num_samples, size=2)),
    ]
    peaks = beating.r_peaks(lead_S, SAMPLING_RATE_HZ).tolist()
    ordered = sorted([*marks, *zip(peaks, beating.symbol_B.tolist(), strict=True)])
    sample_B, symbol_B = zip(*ordered, strict=True)
    return BeatAnnotation(sample_B=np.array(sample_B, dtype=np.int64), symbol_B=np.array(symbol_B))
