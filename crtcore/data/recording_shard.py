"""The stage `shard`: one recording -> one Parquet file of images, or of waveforms in their place.

An experiment has the one or the other, as its network needs, so that images cost nothing for the waveforms
that others read.
"""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from crtcore.config import Experiment, SpectrogramConfig
from crtcore.data.shards import encode_shard
from crtcore.data.sources import Source, Sources
from crtcore.signal.beats import aami_labels, beat_amplitudes, label_detections, segment_beats
from crtcore.signal.formats import read_any
from crtcore.signal.highpass import high_pass
from crtcore.signal.leads import derive_leads
from crtcore.signal.quality import quality_flags
from crtcore.signal.r_peaks import detect_r_peaks
from crtcore.signal.recording import Beats, Recording
from crtcore.signal.resample import resample
from crtcore.signal.spectrogram import SAMPLING_RATE_HZ, spectrogram_images
from crtcore.signal.waveform import as_images, waveforms
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore

SHARD_VERSION = 3
SHARD_FILE = "shard.parquet"
RHYTHM_LEAD = "II"  # R peaks of a 12-lead recording are found where they are tallest and least ambiguous


@dataclass(frozen=True, kw_only=True)
class ShardJob:
    """One recording to turn into a shard: picklable, so that it can be sent to another process."""

    source: Source
    stage: Stage
    spectrogram: SpectrogramConfig
    waveform: bool  # the beats' waveforms in the place of images
    leads: tuple[str, ...] | None  # None: all that the recording has
    first_lead_only: bool
    annotated: bool  # the recording carries reference labels
    detect: bool  # R peaks are detected rather than taken from the annotation
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
        # Of these settings, a waveform knows the segment alone.
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
    """One recording -> one committed shard. Raises DataError naming the recording where it cannot be read."""
    raw = _raw(job)
    recording, beats, image_BCFT = beat_images(
        raw,
        job.spectrogram,
        waveform=job.waveform,
        annotated=job.annotated,
        detect=job.detect,
        max_beats=job.max_beats,
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
        amplitude_mv_BC=beat_amplitudes(recording.signal_CS, beats),
        image_BCFT=image_BCFT,
    )
    facts = {
        "leads": list(recording.leads),
        "num_beats": len(beats),
        "num_images": len(beats) * len(recording.leads),
        "symbols": dict(Counter(beats.symbol_B.tolist())) if job.annotated else {},
        "flags": [] if job.annotated else list(quality_flags(raw)),
    }
    store.commit(job.stage, {SHARD_FILE: content}, facts)


def beat_images(
    raw: Recording,
    spectrogram: SpectrogramConfig,
    *,
    waveform: bool,
    annotated: bool = False,
    detect: bool = True,
    max_beats: int | None,
) -> tuple[Recording, Beats, npt.NDArray[np.uint8]]:
    """A recording with the leads that are used -> the same filtered, its beats, and their images.

    `annotated`: the recording carries reference labels; `detect`: R peaks are detected rather than taken from
    them. The images have shape (beats, leads, F, T); with `waveform` they are the bytes of waveforms.
    """
    recording = _filtered(raw)
    beats = evenly_spaced(_beats(recording, spectrogram, annotated=annotated, detect=detect), max_beats)
    of_leads = [
        as_images(waveforms(signal_S, beats))
        if waveform
        else spectrogram_images(signal_S, beats, spectrogram)
        for signal_S in recording.signal_CS
    ]
    image_BCFT = np.stack(of_leads, axis=1)
    return recording, beats, image_BCFT


def _raw(job: ShardJob) -> Recording:
    """The recording as it was taken, with the leads that are used."""
    recording = read_any(job.source.path, patient_id=job.source.patient_id, annotated=job.annotated)
    if job.leads is not None:
        return derive_leads(recording, job.leads)
    if job.first_lead_only:
        return replace(recording, leads=recording.leads[:1], signal_CS=recording.signal_CS[:1])
    return recording


def _filtered(raw: Recording) -> Recording:
    recording = resample(raw, SAMPLING_RATE_HZ)
    return replace(recording, signal_CS=high_pass(recording.signal_CS, SAMPLING_RATE_HZ))


def _beats(recording: Recording, spectrogram: SpectrogramConfig, *, annotated: bool, detect: bool) -> Beats:
    annotation = recording.annotation
    if detect:
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
        before_r_rr=spectrogram.before_r_rr,
        after_r_rr=spectrogram.after_r_rr,
    )
    # A detection without a reference beat has no class to learn.
    return beats.take(np.flatnonzero(beats.symbol_B != "")) if annotated else beats


def evenly_spaced(beats: Beats, max_beats: int | None) -> Beats:
    """At most `max_beats` beats, evenly spaced over the recording (deterministic, blind to the labels)."""
    if max_beats is None or len(beats) <= max_beats:
        return beats
    return beats.take(np.linspace(0, len(beats) - 1, max_beats).round().astype(np.int64))
