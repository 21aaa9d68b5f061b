"""The stage `shard`: one recording -> one Parquet file of images, or of waveforms instead.

The network of an experiment reads one or the other, so a shard holds only one.
"""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from crtcore.config import Experiment, SpectrogramConfig
from crtcore.data.shards import encode_shard
from crtcore.data.sources import Source, Sources
from crtcore.signal.beats import aami_labels, beat_amplitudes
from crtcore.signal.formats import read_any
from crtcore.signal.leads import derive_leads
from crtcore.signal.recording import Recording
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore

SHARD_VERSION = 3
SHARD_FILE = "shard.parquet"


@dataclass(frozen=True, kw_only=True)
class ShardJob:
    """One recording to turn into a shard. A job can be pickled, so it can be sent to another process."""

    source: Source
    stage: Stage
    spectrogram: SpectrogramConfig
    waveform: bool  # store waveforms instead of images
    leads: tuple[str, ...] | None  # None: all leads of the recording
    first_lead_only: bool
    annotated: bool  # the recording has reference labels
    detect: bool  # detect R peaks instead of taking them from the annotation
    max_beats: int | None


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
    spectrogram = experiment.spectrogram.model_dump(mode="json")
    config = {
        # Only the limits of the segment matter for a waveform.
        **(
            {"waveform": {name: spectrogram[name] for name in ("before_r_rr", "after_r_rr")}}
            if experiment.takes_waveforms
            else {"spectrogram": spectrogram}
        ),
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
        waveform=experiment.takes_waveforms,
        leads=leads,
        first_lead_only=first_lead_only,
        annotated=annotated,
        detect=detect,
        max_beats=max_beats,
    )


def build_shard(store: StageStore, job: ShardJob) -> None:
    """Turn one recording into one committed shard. DataError naming the recording if it cannot be read."""
    # Here: they take a second to load, and processes that only read shards do without.
    from crtcore.data.beat_images import annotated_rhythm, beat_images, cut_beats, detected_rhythm
    from crtcore.signal.quality import quality_flags

    raw = _raw(job)
    rhythm = detected_rhythm(raw) if job.detect else annotated_rhythm(raw)
    recording = rhythm.recording
    # A detected peak without a reference label has no class to learn.
    beats = cut_beats(rhythm, job.spectrogram, labelled_only=job.annotated, max_beats=job.max_beats)
    label_B = (
        aami_labels(beats.symbol_B) if job.annotated else np.full(len(beats), job.source.label, np.int64)
    )
    content = encode_shard(
        patient_id=job.source.patient_id,
        record_id=job.source.record_id,
        leads=recording.leads,
        beats=beats,
        label_B=label_B,
        amplitude_mv_BC=beat_amplitudes(recording.signal_CS, beats),
        image_BCFT=beat_images(recording, beats, job.spectrogram, waveform=job.waveform),
    )
    flags = () if job.annotated else quality_flags(raw, num_r_peaks=len(rhythm.r_sample_B))
    facts = {
        "leads": list(recording.leads),
        "num_beats": len(beats),
        "num_images": len(beats) * len(recording.leads),
        "symbols": dict(Counter(beats.symbol_B.tolist())) if job.annotated else {},
        "flags": list(flags),
    }
    store.commit(job.stage, {SHARD_FILE: content}, facts)


def _raw(job: ShardJob) -> Recording:
    """The recording as its file has it, with the leads that are used."""
    recording = read_any(job.source.path, patient_id=job.source.patient_id, annotated=job.annotated)
    if job.leads is not None:
        return derive_leads(recording, job.leads)
    if job.first_lead_only:
        return replace(recording, leads=recording.leads[:1], signal_CS=recording.signal_CS[:1])
    return recording
