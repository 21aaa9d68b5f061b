"""One recording -> one shard: its identity, and what its shard holds."""

import pickle

import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.recording_shard import SHARD_FILE, ShardJob, arrhythmia_jobs, build_shard, cohort_jobs
from crtcore.data.shards import ShardRows, read_shard
from crtcore.errors import DataError
from crtcore.pipeline import open_store, read_sources
from crtcore.stages.stage import StageManifest


def built(experiment: Experiment, job: ShardJob) -> tuple[ShardRows, StageManifest]:
    store = open_store(experiment)
    build_shard(store, job)
    manifest = store.find(job.stage)
    assert manifest is not None
    return read_shard(store.path(job.stage, SHARD_FILE)), manifest


def test_a_shard_of_the_cohort_has_the_patients_label_on_every_row(tiny: Experiment) -> None:
    for job in cohort_jobs(tiny, read_sources(tiny))[:3]:
        rows, manifest = built(tiny, job)
        assert rows.lead_N.tolist() == ["II", "V1"] * 2
        assert rows.label_N.tolist() == [job.source.label] * 4
        assert set(rows.patient_N) == {job.source.patient_id}
        assert manifest.facts == {
            "leads": ["II", "V1"],
            "num_beats": 2,
            "num_images": 4,
            "symbols": {},
            "flags": [],
        }


def test_a_shard_of_the_database_has_the_class_of_each_beat(tiny: Experiment) -> None:
    job = arrhythmia_jobs(tiny, read_sources(tiny))[0]
    rows, manifest = built(tiny, job)
    assert len(rows.label_N) == 2 * 8
    assert set(rows.label_N.tolist()) <= {0, 1, 2, 3, 4} and "" not in rows.symbol_N
    assert sum(manifest.facts["symbols"].values()) == 8
    # Each image spans its own 80 dB, so its brightest point is 255.
    assert (rows.image_NFT.reshape(16, -1).max(axis=1) == 255).all()


def test_the_first_lead_alone_can_be_used(tiny: Experiment) -> None:
    experiment = override(tiny, {"arrhythmia.leads": "first"})
    rows, _ = built(experiment, arrhythmia_jobs(experiment, read_sources(experiment))[0])
    assert set(rows.lead_N) == {"MLII"} and len(rows.lead_N) == 8


def test_detected_peaks_take_their_labels_from_the_annotation(tiny: Experiment) -> None:
    num_beats = []
    for r_peaks in ("detected", "annotated"):
        changes = {"arrhythmia.r_peaks": r_peaks, "arrhythmia.max_beats_per_record": None}
        experiment = override(tiny, changes)
        rows, manifest = built(experiment, arrhythmia_jobs(experiment, read_sources(experiment))[0])
        assert "" not in rows.symbol_N
        num_beats.append(manifest.facts["num_beats"])
    detected, annotated = num_beats
    assert 0.9 * annotated <= detected <= annotated


@pytest.mark.parametrize(
    "change",
    [
        {"spectrogram.window": "hann"},
        {"cohort.leads": ("I", "V1")},
        {"cohort.max_beats_per_recording": 1},
        {"pretrain.architecture": "resnet1d"},
    ],
)
def test_a_changed_setting_is_another_stage(tiny: Experiment, change: dict[str, object]) -> None:
    sources, changed = read_sources(tiny), override(tiny, change)
    (before, *_), (after, *_) = cohort_jobs(tiny, sources), cohort_jobs(changed, read_sources(changed))
    assert after.stage.digest != before.stage.digest


def test_what_does_not_change_a_shard_does_not_change_its_stage(tiny: Experiment) -> None:
    changed = override(tiny, {"seed": 9, "cohort.note": "a note", "pretrain.depth": 34})
    of_database, of_cohort = (
        arrhythmia_jobs(changed, read_sources(tiny)),
        cohort_jobs(changed, read_sources(tiny)),
    )
    assert [job.stage for job in of_database] == [
        job.stage for job in arrhythmia_jobs(tiny, read_sources(tiny))
    ]
    assert [job.stage for job in of_cohort] == [job.stage for job in cohort_jobs(tiny, read_sources(tiny))]


def test_leads_are_derived_if_physics_allows(tiny: Experiment) -> None:
    experiment = override(tiny, {"cohort.leads": ("ii", "aVL"), "cohort.max_beats_per_recording": 1})
    sources = read_sources(experiment)
    assert sources.cohort_leads == ("II", "aVL")
    rows, _ = built(experiment, cohort_jobs(experiment, sources)[0])
    assert rows.lead_N.tolist() == ["II", "aVL"]


def test_an_absent_lead_is_named(tiny: Experiment) -> None:
    experiment = override(tiny, {"cohort.leads": ("II", "V9")})
    job = cohort_jobs(experiment, read_sources(experiment))[0]
    with pytest.raises(DataError, match=r"has no lead V9 \(it has I, II"):
        build_shard(open_store(experiment), job)


def test_a_job_can_be_sent_to_another_process(tiny: Experiment) -> None:
    job = cohort_jobs(tiny, read_sources(tiny))[0]
    assert pickle.loads(pickle.dumps(job)) == job  # noqa: S301  # our own bytes
