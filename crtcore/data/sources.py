"""What raw data an experiment rests on: the recordings of the arrhythmia database and of the cohort, each
with its SHA-256, and the cohort's patients.
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
    """One recording on disk. `label` is the patient's outcome (0 or 1), -1 where beats carry labels; `row` is
    the manifest's row, 0 for a record of the database.
    """

    record_id: str
    patient_id: str
    path: Path
    label: int = -1
    sha256: str
    row: int = 0


@dataclass(frozen=True, kw_only=True)
class Sources:
    """All recordings of an experiment: the arrhythmia database's and the cohort's."""

    arrhythmia: tuple[Source, ...]
    cohort: tuple[Source, ...]
    patients: tuple[Patient, ...]
    cohort_leads: tuple[str, ...]


def predefined_folds(sources: Sources) -> dict[str, int] | None:
    """The manifest's folds by patient id, None where it leaves them to us."""
    folds = {patient.patient_id: patient.fold for patient in sources.patients if patient.fold is not None}
    return folds or None


def content_hash(path: Path, *, annotated: bool) -> str:
    """SHA-256 over all files of one recording (header, signals, annotation); DataError if one is missing."""
    digests = [sha256_of(file) for file in files_of(path, annotated=annotated)]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def arrhythmia_sources(experiment: Experiment) -> tuple[Source, ...]:
    """The database's records in name order, each a patient of its own.

    MIT-BIH's 201 and 202 are one subject; the published inter-patient split (de Chazal et al., IEEE TBME
    2004;51:1196) has one in each half, and figures are compared by that split, so records stay the unit
    here.

    Raises DataError if the folder, a record or an annotation file is missing.
    """
    folder = experiment.database_path
    if not folder.is_dir():
        raise DataError(
            f"arrhythmia database {folder} is not a folder; "
            f"set arrhythmia.database (and data) to where it lies"
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
    """The cohort's recordings (in manifest order), its patients (by first appearance) and the leads to use.

    Raises DataError as `read_manifest` does, and naming the manifest's row for a missing record.
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
