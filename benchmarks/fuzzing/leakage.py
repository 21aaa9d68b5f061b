"""Random cohorts, in which a recording may occur again in disguise: is it ever on both sides of a fold?"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from crtcore.data.cohort_review import CohortReview
from crtcore.data.manifest import Patient
from crtcore.data.sources import Source, Sources, predefined_folds
from crtcore.data.splits import cohort_folds
from crtcore.errors import DataError
from crtcore.signal.formats import read_any
from crtcore.signal.recording import Recording
from crtcore.signal.resample import resample

POOL: Final = 24  # recordings that differ
RATE_HZ: Final = 200
SECONDS: Final = 5
LEADS: Final = ("II",)


def leakage(num_cohorts: int, seed: int) -> dict[str, int]:
    """Counts over random cohorts.

    `refused` cohorts gave one content to two patients, or could not be dealt into folds. Of the others,
    `patients_on_both_sides` and `contents_on_both_sides` must be 0, and so must `refused_without_reason`.
    """
    counts = dict.fromkeys(
        (
            *("cohorts", "refused", "dealt", "patients_on_both_sides", "contents_on_both_sides"),
            "refused_without_reason",
        ),
        0,
    )
    with tempfile.TemporaryDirectory() as name:
        pool = _pool(Path(name))
        for number in range(num_cohorts):
            _one_cohort(np.random.default_rng((seed, 1, number)), pool, counts)
    return counts


def _pool(folder: Path) -> list[list[tuple[Path, Recording]]]:
    """Each recording in its disguises: as it is, at another rate, and rounded to 5 uV."""
    pool = []
    for content in range(POOL):
        noise_S = np.random.default_rng(content).normal(size=SECONDS * RATE_HZ)
        lead_S = np.convolve(noise_S, np.hanning(25) / 5, "same")
        original = Recording(
            record_id=f"c{content}",
            patient_id="",
            leads=LEADS,
            sampling_rate_hz=RATE_HZ,
            signal_CS=lead_S[None].astype(np.float32),
        )
        rounded = replace(original, signal_CS=np.round(original.signal_CS * 200) / np.float32(200))
        disguises = []
        for number, recording in enumerate((original, resample(original, 250), rounded)):
            path = folder / f"c{content}_{number}.npz"
            np.savez(
                path,
                signal=recording.signal_CS,
                sampling_rate_hz=recording.sampling_rate_hz,
                leads=list(LEADS),
            )
            disguises.append((path, read_any(path)))
        pool.append(disguises)
    return pool


def _one_cohort(
    generator: np.random.Generator, pool: list[list[tuple[Path, Recording]]], counts: dict[str, int]
) -> None:
    num_patients = int(generator.integers(4, 11))
    given = generator.random() < 0.3
    patients = tuple(
        Patient(
            patient_id=f"p{number}",
            label=int(generator.random() < 0.5),
            fold=int(generator.integers(3)) if given else None,
        )
        for number in range(num_patients)
    )
    repeats_a_content = generator.random() < 0.5
    contents = generator.permutation(POOL).tolist()
    chosen = [(patient, contents.pop()) for patient in patients for _ in range(generator.integers(1, 3))]
    if repeats_a_content:
        chosen.append(
            (patients[generator.integers(num_patients)], chosen[generator.integers(len(chosen))][1])
        )
    sources, recordings = [], []
    content_of: dict[str, set[int]] = {}
    for row, (patient, content) in enumerate(chosen, 2):
        path, recording = pool[content][generator.integers(3)]
        content_of.setdefault(patient.patient_id, set()).add(content)
        sources.append(
            Source(
                record_id=path.stem,
                patient_id=patient.patient_id,
                path=path,
                label=patient.label,
                sha256=f"{path.stem}",
                row=row,
            )
        )
        recordings.append(recording)
    counts["cohorts"] += 1
    cohort = Sources(arrhythmia=(), cohort=tuple(sources), patients=patients, cohort_leads=LEADS)
    all_contents = [content for owned in content_of.values() for content in owned]
    try:
        review = CohortReview(cohort)
        for source, recording in zip(sources, recordings, strict=True):
            review.add(source, recording)
        review.findings()
    except DataError:
        counts["refused"] += 1
        counts["refused_without_reason"] += len(set(all_contents)) == len(all_contents)
        return
    _deal(generator, cohort, content_of, counts)


def _deal(
    generator: np.random.Generator, cohort: Sources, content_of: dict[str, set[int]], counts: dict[str, int]
) -> None:
    ids = np.array([patient.patient_id for patient in cohort.patients])
    try:
        repeats = cohort_folds(
            ids,
            np.array([patient.label for patient in cohort.patients]),
            given=predefined_folds(cohort),
            num_folds=int(generator.integers(2, 4)),
            num_repeats=int(generator.integers(1, 3)),
            seed=int(generator.integers(2**31)),
        )
    except DataError:  # too few patients of an outcome
        counts["refused"] += 1
        return
    counts["dealt"] += 1
    for fold in (fold for folds in repeats for fold in folds):
        train, test = set(ids[fold.train_P].tolist()), set(ids[fold.test_P].tolist())
        counts["patients_on_both_sides"] += len(train & test)
        trained = {content for patient in train for content in content_of[patient]}
        scored = {content for patient in test for content in content_of[patient]}
        counts["contents_on_both_sides"] += len(trained & scored)
