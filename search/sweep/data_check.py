"""Reads every recording once, so that a damaged one is found before anything is computed."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from crtcore.data.beat_images import detected_rhythm
from crtcore.data.cohort_review import CohortReview
from crtcore.data.sources import Source, Sources
from crtcore.pipeline import OnProgress
from crtcore.signal.beats import AAMI_CLASSES, aami_labels
from crtcore.signal.formats import read_any
from crtcore.signal.leads import derive_leads
from crtcore.signal.quality import quality_flags
from crtcore.signal.recording import Recording


@dataclass(frozen=True, kw_only=True)
class CohortCheck:
    """What reading the cohort showed: the quality flags of each flagged recording, on the leads in use; what
    is wrong with the recordings as a whole, one sentence each; the length of every recording.
    """

    flags: Mapping[str, tuple[str, ...]]
    findings: tuple[str, ...]
    durations_s: tuple[float, ...]


def read_database(sources: Sources, on_progress: OnProgress) -> dict[str, int]:
    """The number of annotated beats of each AAMI class in the arrhythmia database."""
    count: Counter[str] = Counter()
    for recording in _recordings(sources.arrhythmia, "read database", on_progress, annotated=True):
        assert recording.annotation is not None
        label_B = aami_labels(recording.annotation.symbol_B)
        count.update(AAMI_CLASSES[label] for label in label_B.tolist() if label >= 0)
    return {name: count[name] for name in AAMI_CLASSES}


def read_cohort(sources: Sources, on_progress: OnProgress) -> CohortCheck:
    """Read every recording of the cohort once."""
    review = CohortReview(sources)
    flags: dict[str, tuple[str, ...]] = {}
    durations_s = []
    recordings = _recordings(sources.cohort, "read cohort", on_progress, annotated=False)
    for source, recording in zip(sources.cohort, recordings, strict=True):
        raw = derive_leads(recording, sources.cohort_leads)
        found = quality_flags(raw, num_r_peaks=len(detected_rhythm(raw).r_sample_B))
        if found:
            flags[source.record_id] = found
        review.add(source, raw)
        durations_s.append(recording.num_samples / recording.sampling_rate_hz)
    return CohortCheck(flags=flags, findings=review.findings(), durations_s=tuple(durations_s))


def _recordings(
    sources: tuple[Source, ...], what: str, on_progress: OnProgress, *, annotated: bool
) -> Iterator[Recording]:
    for done, source in enumerate(sources):
        on_progress(what, done, len(sources))
        yield read_any(source.path, patient_id=source.patient_id, annotated=annotated)
    on_progress(what, len(sources), len(sources))
