"""What raw data an experiment rests on: the recordings by name, each with the SHA-256 of its files."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from crtcore.data.manifest import Patient
from crtcore.signal.formats import files_of
from crtcore.stages import sha256_of


@dataclass(frozen=True, kw_only=True)
class Source:
    """One recording on disk. `label` is the patient's outcome (0 or 1), -1 where beats carry labels."""

    record_id: str
    patient_id: str
    path: Path
    label: int = -1
    sha256: str


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
