"""The stages `shard` (one recording -> one Parquet file of images) and `prepare` (the set of them).

Each recording is a stage of its own: an interrupted run goes on with the recordings that are missing, a
damaged shard costs one recording, and cohorts that overlap share what they have in common.
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from crtcore.config import Experiment, SpectrogramConfig
from crtcore.data.shards import encode_shard
from crtcore.data.sources import Source, Sources
from crtcore.errors import DataError, StorageError
from crtcore.signal.beats import AAMI_CLASSES, aami_labels, label_detections, segment_beats
from crtcore.signal.highpass import high_pass
from crtcore.signal.r_peaks import detect_r_peaks
from crtcore.signal.recording import Beats, Recording
from crtcore.signal.resample import resample
from crtcore.signal.spectrogram import SAMPLING_RATE_HZ, spectrogram_images
from crtcore.signal.wfdb_reader import read_recording
from crtcore.stages import Stage, StageStore

SHARD_VERSION = 1
PREPARE_VERSION = 1
SHARD_FILE = "shard.parquet"
RHYTHM_LEAD = "II"  # R peaks of a 12-lead recording are found where they are tallest and least ambiguous


@dataclass(frozen=True, kw_only=True)
class ShardJob:
    """One recording to turn into a shard: picklable, so that it can be sent to another process."""

    source: Source
    stage: Stage
    spectrogram: SpectrogramConfig
    leads: tuple[str, ...] | None  # None: all that the recording has
    first_lead_only: bool
    annotated: bool  # the recording carries reference labels
    detect: bool  # R peaks are detected rather than taken from the annotation
    max_beats: int | None


class MapJobs(Protocol):
    """How jobs are run: `map` in this process, or over processes and nodes; results in any order."""

    def __call__(
        self, function: Callable[[ShardJob], None], jobs: Sequence[ShardJob], /
    ) -> Iterable[None]: ...


def arrhythmia_jobs(experiment: Experiment, sources: Sources) -> tuple[ShardJob, ...]:
    """The jobs for the arrhythmia database."""
    config = experiment.arrhythmia
    return tuple(
        _job(
            source,
            experiment,
            leads=None,
            first_lead_only=config.leads == "first",
            annotated=True,
            detect=config.r_peaks == "detected",
            max_beats=config.max_beats_per_record,
        )
        for source in sources.arrhythmia
    )


def cohort_jobs(experiment: Experiment, sources: Sources) -> tuple[ShardJob, ...]:
    """The jobs for the cohort."""
    return tuple(
        _job(
            source,
            experiment,
            leads=sources.cohort_leads,
            first_lead_only=False,
            annotated=False,
            detect=True,
            max_beats=experiment.cohort.max_beats_per_recording,
        )
        for source in sources.cohort
    )


def _job(
    source: Source,
    experiment: Experiment,
    *,
    leads: tuple[str, ...] | None,
    first_lead_only: bool,
    annotated: bool,
    detect: bool,
    max_beats: int | None,
) -> ShardJob:
    config = {
        "spectrogram": experiment.spectrogram.model_dump(mode="json"),
        "record_id": source.record_id,
        "patient_id": source.patient_id,
        "label": source.label,
        "leads": None if leads is None else list(leads),
        "first_lead_only": first_lead_only,
        "annotated": annotated,
        "detect": detect,
        "max_beats": max_beats,
    }
    return ShardJob(
        source=source,
        stage=Stage(name="shard", config=config, inputs=(source.sha256,), version=SHARD_VERSION),
        spectrogram=experiment.spectrogram,
        leads=leads,
        first_lead_only=first_lead_only,
        annotated=annotated,
        detect=detect,
        max_beats=max_beats,
    )


def prepare_stage(name: str, jobs: Sequence[ShardJob]) -> Stage:
    """The set of all `jobs`' shards; `name` is "arrhythmia" or "cohort"."""
    return Stage(
        name="prepare",
        config={"set": name},
        inputs=tuple(job.stage.digest for job in jobs),
        version=PREPARE_VERSION,
    )


def run_prepare(
    store: StageStore,
    stage: Stage,
    jobs: Sequence[ShardJob],
    *,
    map_jobs: MapJobs = map,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Build the shards that are missing or damaged, then commit the set. Raises DataError for an unusable
    recording.
    """
    if store.find(stage) is not None:
        return
    todo = [job for job in jobs if not _intact(store, job)]
    on_progress(len(jobs) - len(todo), len(jobs))
    for done, _ in enumerate(
        map_jobs(functools.partial(build_shard, store), todo), len(jobs) - len(todo) + 1
    ):
        on_progress(done, len(jobs))
    shards = []
    symbols: Counter[str] = Counter()
    for job in jobs:
        manifest = store.find(job.stage)
        if manifest is None:
            raise StorageError(
                f"{job.stage} vanished from {store.uri} while its set was built; run the same command again"
            )
        symbols.update(manifest.facts["symbols"])
        shards.append({"digest": job.stage.digest, **manifest.files[SHARD_FILE], **manifest.facts})
    leads = sorted({lead for shard in shards for lead in shard["leads"]})
    facts = {
        "shards": shards,
        "leads": leads if jobs[0].leads is None else list(jobs[0].leads),
        "spectrogram": jobs[0].spectrogram.model_dump(mode="json"),
        "num_patients": len({job.source.patient_id for job in jobs}),
        "num_beats": sum(shard["num_beats"] for shard in shards),
        "num_images": sum(shard["num_images"] for shard in shards),
        "symbols": dict(symbols),
    }
    store.commit(stage, {}, facts)


def _intact(store: StageStore, job: ShardJob) -> bool:
    if store.find(job.stage) is None:
        return False
    try:
        store.path(job.stage, SHARD_FILE)
    except StorageError:  # damaged: it is built again, from the recording
        store.discard(job.stage)
        return False
    return True


def build_shard(store: StageStore, job: ShardJob) -> None:
    """One recording -> one committed shard. Raises DataError naming the recording where it cannot be used."""
    recording = _recording(job)
    beats = evenly_spaced(_beats(job, recording), job.max_beats)
    if len(beats) == 0:
        raise DataError(f"recording {job.source.path} has no whole beat; remove it from the data set")
    image_BCFT = np.stack(
        [spectrogram_images(signal_S, beats, job.spectrogram) for signal_S in recording.signal_CS], axis=1
    )
    label_B = (
        aami_labels(beats.symbol_B) if job.annotated else np.full(len(beats), job.source.label, np.int64)
    )
    content = encode_shard(
        patient_id=job.source.patient_id,
        record_id=job.source.record_id,
        leads=recording.leads,
        beats=beats,
        label_B=label_B,
        image_BCFT=image_BCFT,
    )
    symbols = Counter(beats.symbol_B.tolist()) if job.annotated else {}
    facts = {
        "leads": list(recording.leads),
        "num_beats": len(beats),
        "num_images": len(beats) * len(recording.leads),
        "symbols": dict(symbols),
        "aami": {AAMI_CLASSES[k]: int((label_B == k).sum()) for k in range(len(AAMI_CLASSES))}
        if job.annotated
        else {},
    }
    store.commit(job.stage, {SHARD_FILE: content}, facts)


def _recording(job: ShardJob) -> Recording:
    recording = read_recording(job.source.path, patient_id=job.source.patient_id, annotated=job.annotated)
    names = recording.leads[:1] if job.first_lead_only else job.leads or recording.leads
    absent = [name for name in names if name not in recording.leads]
    if absent:
        raise DataError(
            f"recording {job.source.path} has no lead {absent[0]} (it has {', '.join(recording.leads)}); "
            f"name the leads that all recordings share in cohort.leads"
        )
    rows = [recording.leads.index(name) for name in names]
    chosen = Recording(
        record_id=job.source.record_id,
        patient_id=recording.patient_id,
        leads=tuple(names),
        sampling_rate_hz=recording.sampling_rate_hz,
        signal_CS=recording.signal_CS[rows],
        annotation=recording.annotation,
    )
    resampled = resample(chosen, SAMPLING_RATE_HZ)
    filtered_CS = high_pass(resampled.signal_CS, SAMPLING_RATE_HZ)
    return Recording(
        record_id=resampled.record_id,
        patient_id=resampled.patient_id,
        leads=resampled.leads,
        sampling_rate_hz=SAMPLING_RATE_HZ,
        signal_CS=filtered_CS,
        annotation=resampled.annotation,
    )


def _beats(job: ShardJob, recording: Recording) -> Beats:
    annotation = recording.annotation
    if job.detect:
        rhythm = recording.leads.index(RHYTHM_LEAD) if RHYTHM_LEAD in recording.leads else 0
        sample_B = detect_r_peaks(recording.signal_CS[rhythm], SAMPLING_RATE_HZ)
        symbol_B = (
            np.full(len(sample_B), "", dtype=np.str_)
            if annotation is None
            else label_detections(sample_B, annotation, SAMPLING_RATE_HZ)
        )
    else:
        assert annotation is not None
        sample_B, symbol_B = annotation.sample_B, annotation.symbol_B
    beats = segment_beats(
        sample_B,
        symbol_B,
        num_samples=recording.num_samples,
        sampling_rate_hz=SAMPLING_RATE_HZ,
        before_r_rr=job.spectrogram.before_r_rr,
        after_r_rr=job.spectrogram.after_r_rr,
    )
    # A detection without a reference beat has no class to learn.
    return beats.take(np.flatnonzero(beats.symbol_B != "")) if job.annotated else beats


def evenly_spaced(beats: Beats, max_beats: int | None) -> Beats:
    """At most `max_beats` beats, evenly spaced over the recording (deterministic, blind to the labels)."""
    if max_beats is None or len(beats) <= max_beats:
        return beats
    return beats.take(np.linspace(0, len(beats) - 1, max_beats).round().astype(np.int64))
