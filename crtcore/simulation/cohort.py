"""A simulated CRT cohort: one 12-lead recording of 10 s per patient, a manifest, and how both were made."""

import csv
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from crtcore.seeding import child_seed
from crtcore.signal.recording import Recording
from crtcore.signal.wfdb_reader import write_recording
from crtcore.simulation.dipole import DOWER_CX, MEASURED_LEADS, TWELVE_LEADS, twelve_leads
from crtcore.simulation.heart import Heart, activity, draw_heart
from crtcore.simulation.noise import draw_noise_levels, noise
from crtcore.simulation.patients import (
    CLASSES,
    IN_THE_ECG,
    INFORMATIVE,
    SimulatedPatient,
    best_auc,
    draw_patients,
)
from crtcore.simulation.rhythm import schedule

SAMPLING_RATE_HZ = 500.0
DURATION_S = 10.0
MAINS_HZ = 50.0
ADC_GAIN = 1000.0
SHARE_WITH_PVC = 0.2  # of the patients, independent of their outcome

COLUMNS = (
    "patient_id", "recording", "label",
    "qrs_duration_ms", "lbbb", "lvef_percent", "nyha", "age_years", "sex", "scar_percent",
)  # fmt: skip


def write_cohort(folder: Path, *, seed: int, num_patients: int, on_patient: Callable[[int], None]) -> None:
    """Write records/, cohort.csv, truth.json and SIMULATED.txt to the empty `folder`."""
    patients = draw_patients(np.random.default_rng(child_seed(seed, "cohort")), num_patients)
    (folder / "records").mkdir()
    for done, patient in enumerate(patients, start=1):
        recording = simulate_recording(patient, seed=child_seed(seed, "cohort", patient.patient_id))
        comments = ["SIMULATED: synthetic signal from crtsearch simulate, not a patient"]
        write_recording(folder / "records", recording, fmt="16", comments=comments, adc_gain=ADC_GAIN)
        on_patient(done)
    with (folder / "cohort.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for patient in patients:
            row = asdict(patient) | {"recording": f"records/{patient.patient_id}", "lbbb": int(patient.lbbb)}
            writer.writerow(row)
    (folder / "truth.json").write_text(json.dumps(truth(), indent=2) + "\n")
    (folder / "SIMULATED.txt").write_text(
        "SIMULATED DATA. Patients, outcomes and recordings are synthetic, written by `crtsearch simulate`.\n"
        "cohort.csv lists them, truth.json says how they were made. Nothing here tells about real patients.\n"
    )


def simulate_recording(patient: SimulatedPatient, *, seed: int) -> Recording:
    """A patient's recording in TWELVE_LEADS. It depends on seed, conduction and QRS duration only."""
    rng = np.random.default_rng(seed)
    heart = simulated_heart(rng, patient)
    beats = schedule(
        rng,
        duration_s=DURATION_S,
        mean_rr_s=heart.mean_rr_s,
        variability=heart.variability,
        respiration_hz=heart.respiration_hz,
        basic_symbol=heart.basic_symbol,
        ectopy={"V": 0.08} if rng.random() < SHARE_WITH_PVC else {},
    )
    num_samples = round(DURATION_S * SAMPLING_RATE_HZ)
    beating = activity(rng, heart, beats, sampling_rate_hz=SAMPLING_RATE_HZ, num_samples=num_samples)
    noise_CS = noise(
        rng,
        draw_noise_levels(rng, mains_hz=MAINS_HZ, respiration_hz=heart.respiration_hz),
        num_leads=len(MEASURED_LEADS),
        num_samples=num_samples,
        sampling_rate_hz=SAMPLING_RATE_HZ,
    )
    return Recording(
        record_id=patient.patient_id,
        patient_id=patient.patient_id,
        leads=TWELVE_LEADS,
        sampling_rate_hz=SAMPLING_RATE_HZ,
        signal_CS=twelve_leads(DOWER_CX @ beating.vector_XS + noise_CS).astype(np.float32),
    )


def simulated_heart(rng: np.random.Generator, patient: SimulatedPatient) -> Heart:
    """The patient's heart. In heart failure the rate is higher and varies less."""
    return draw_heart(
        rng,
        patient.conduction,
        qrs_duration_s=patient.qrs_duration_ms / 1000,
        mean_rr_s=60 / rng.uniform(58, 92),
        variability=0.02,
    )


def truth() -> dict[str, object]:
    """How the cohort was drawn, and the best AUC that a model can expect on it."""
    return {
        "simulated": True,
        "model": {
            "source": "Table 1 of He et al. 2023, arXiv 2306.01210",
            "given_the_label": "independent: lbbb is a coin, the others are normal, cut off below `low`, "
            "with the mean and standard deviation given here",
            "label_0": asdict(CLASSES[0]),
            "label_1": asdict(CLASSES[1]),
            "independent_of_the_label": ["nyha", "age_years", "sex", "all else in the recording"],
            "in_the_recording": "LBBB as the shape and qrs_duration_ms as the width of the QRS complex; "
            "without LBBB the shape is RBBB or an unspecific delay, by a fair coin",
        },
        "variables": {"ecg": list(IN_THE_ECG), "clinical": list(INFORMATIVE)},
        "best_auc_is": "area under the ROC curve of the likelihood ratio, integrated numerically: no score "
        "does better in expectation; an AUC measured on few patients scatters around its expectation",
        "best_auc": {
            "lbbb": best_auc(("lbbb",)),
            "qrs_duration_ms": best_auc(("qrs_duration_ms",)),
            "ecg": best_auc(IN_THE_ECG),
            "clinical": best_auc(INFORMATIVE),
        },
    }
