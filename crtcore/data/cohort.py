"""The patient manifest -> the cohort's recordings and its patients."""

from crtcore.config import Experiment
from crtcore.data.manifest import Patient, patients_of, read_manifest
from crtcore.data.sources import Source, content_hash
from crtcore.errors import DataError
from crtcore.signal.formats import read_any
from crtcore.signal.leads import normalise_lead


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
            )
        )
    leads = experiment.cohort.leads or read_any(sources[0].path).leads
    return tuple(sources), patients_of(rows), tuple(map(normalise_lead, leads))
