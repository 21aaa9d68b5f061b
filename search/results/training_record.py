"""What an exported model remembers of its training recordings, so that `validate` can compare and refuse."""

from collections.abc import Sequence
from typing import Final

from crtcore.data.beat_images import detected_rhythm
from crtcore.data.manifest import Patient
from crtcore.data.sources import Source
from crtcore.evaluation.clinical import clinical_features
from crtcore.evaluation.cohort_difference import Summary, summarise
from crtcore.pipeline import OnProgress
from crtcore.prediction.training_record import TrainingRecord
from crtcore.signal.fingerprint import fingerprint
from crtcore.signal.formats import read_any
from crtcore.signal.leads import derive_leads
from crtcore.signal.measures import recording_measures
from crtcore.signal.quality import quality_flags
from crtcore.signal.recording import Recording
from search.results.winner import Winner

FLAGGED: Final = "flagged_percent"
OUTCOME: Final = "outcome_percent"


def training_record(
    winner: Winner, others: Sequence[Winner] = (), *, on_progress: OnProgress = lambda what, done, total: None
) -> TrainingRecord:
    """Read every recording that trained the winner: the cohort's, and the database's if it or one of the
    other exported models was pre-trained.

    Recordings that were excluded for their quality are described, but they do not count as seen.
    """
    used = _used(winner)
    is_pretrained = any(trial.is_pretrained for trial in (winner, *others))
    database = winner.sources.arrhythmia if is_pretrained else ()
    total = len(winner.sources.cohort) + len(database)
    measures: list[dict[str, float]] = []
    files: set[str] = set()
    pieces: set[str] = set()
    for done, source in enumerate((*winner.sources.cohort, *database)):
        on_progress("describe the training recordings", done, total)
        recording = read_any(source.path)
        if source.row > 0:
            measures.append(described(derive_leads(recording, winner.sources.cohort_leads))[0])
            if source not in used:
                continue
        files.add(source.sha256)
        pieces.update(piece for lead in fingerprint(recording) for piece in lead)
    on_progress("describe the training recordings", total, total)
    patients = winner.predictions.in_order(winner.sources.patients)
    return TrainingRecord(
        cohort=summarise(measures) | described_patients(patients),
        files=frozenset(files),
        pieces=frozenset(pieces),
    )


def described(raw: Recording) -> tuple[dict[str, float], tuple[str, ...]]:
    """The measures of a recording as it was read, with the leads that are used, and its quality flags.

    DataError if the sampling rate is too low to find R peaks.
    """
    rhythm = detected_rhythm(raw)
    r_time_s_B = rhythm.r_sample_B / rhythm.recording.sampling_rate_hz
    flags = quality_flags(raw, num_r_peaks=len(rhythm.r_sample_B))
    return recording_measures(raw, r_time_s_B) | {FLAGGED: 100.0 * bool(flags)}, flags


def described_patients(patients: tuple[Patient, ...]) -> dict[str, Summary]:
    """The summary of the outcome and of the manifest's clinical columns; categories as shares from 0 to 1."""
    features = clinical_features(patients)
    rows = [
        {OUTCOME: 100.0 * patient.label} | dict(zip(features.names, value_D.tolist(), strict=True))
        for patient, value_D in zip(patients, features.value_PD, strict=True)
    ]
    return summarise(rows)


def _used(winner: Winner) -> set[Source]:
    """The cohort's recordings whose shards are in the set that the model was trained on."""
    manifest = winner.store.find(winner.plan.cohort)
    assert manifest is not None  # the winner's predictions were read from it
    digests = {shard["digest"] for shard in manifest.facts["shards"]}
    return {job.source for job in winner.plan.cohort_set.jobs if job.stage.digest in digests}
