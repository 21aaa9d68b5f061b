"""The raw data of an experiment: which recordings there are, whose they are, and the SHA-256 of each.

The recordings are found here and hashed, but not yet read. A digest of a stage depends on their hashes, so a
changed recording gives another stage.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from crtcore.config import Experiment
from crtcore.data.manifest import Patient, patients_of, read_manifest
from crtcore.errors import DataError
from crtcore.signal.formats import files_of, lead_names
from crtcore.signal.leads import normalise_lead
from crtcore.signal.wfdb_reader import list_records
from crtcore.stages.store import sha256_of


@dataclass(frozen=True, kw_only=True)
class Source:
    """One recording on disk, with the SHA-256 of its files.

    In a cohort, `label` is the patient's outcome (0 or 1) and `row` the row of the manifest. In the database,
    whose beats have labels, they are -1 and 0.
    """

    record_id: str
    patient_id: str
    path: Path
    label: int = -1
    sha256: str
    row: int = 0


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The recordings of the arrhythmia database and of the cohort, the patients, and the leads to use."""

    arrhythmia: tuple[Source, ...]
    cohort: tuple[Source, ...]
    patients: tuple[Patient, ...]
    cohort_leads: tuple[str, ...]


def arrhythmia_sources(experiment: Experiment) -> tuple[Source, ...]:
    """The records of the database in name order. Each counts as one patient.

    Records 201 and 202 of MIT-BIH are of one subject. The published inter-patient split (de Chazal et al.,
    IEEE TBME 2004;51:1196) has one in each half, and results are compared by that split, so both are kept.

    Raises DataError if the folder, a record or an annotation file is missing.
    """
    folder = experiment.database_path
    if not folder.is_dir():
        raise DataError(
            f"arrhythmia database {folder} is not a folder; set arrhythmia.database (and data) to where it is"
        )
    present = list_records(folder)
    chosen = experiment.arrhythmia.records or present
    unknown = [name for name in chosen if name not in present]
    if unknown:
        raise DataError(
            f"record {unknown[0]} is not in {folder}; it has {len(present)} records: "
            f"{', '.join(present[:60])}; correct arrhythmia.records"
        )
    return tuple(
        Source(
            record_id=name,
            patient_id=name,
            path=folder / name,
            sha256=content_hash(folder / name, annotated=True),
        )
        for name in sorted(set(chosen))
    )


def cohort_sources(experiment: Experiment) -> tuple[tuple[Source, ...], tuple[Patient, ...], tuple[str, ...]]:
    """The cohort's recordings in manifest order, its patients by first appearance, and the leads to use.

    Raises the errors of `read_manifest`, and DataError naming the manifest's row if a recording is missing.
    """
    rows = read_manifest(experiment)
    sources = []
    for row in rows:
        path = experiment.manifest_path.parent / row.recording
        try:
            sha256 = content_hash(path, annotated=False)
        except DataError as error:
            raise DataError(f"{row.where}: {error}") from error
        sources.append(
            Source(
                record_id=row.recording,
                patient_id=row.patient.patient_id,
                path=path,
                label=row.patient.label,
                sha256=sha256,
                row=row.number,
            )
        )
    leads = experiment.cohort.leads or lead_names(sources[0].path)
    return tuple(sources), patients_of(rows), tuple(map(normalise_lead, leads))


def content_hash(path: Path, *, annotated: bool) -> str:
    """SHA-256 of all files of a recording (header, signals, annotation). DataError if one is missing."""
    digests = [sha256_of(file) for file in files_of(path, annotated=annotated)]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def predefined_folds(sources: Sources) -> dict[str, int] | None:
    """The folds that the manifest gives, by patient id; None if it gives none."""
    folds = {patient.patient_id: patient.fold for patient in sources.patients if patient.fold is not None}
    return folds or None
