"""Recordings -> shards -> images: what is stored, what is built again, and what is not."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.loader import load_images
from crtcore.data.prepare import cohort_stage, prepare_stage, run_prepare
from crtcore.data.recording_shard import SHARD_FILE, ShardJob, arrhythmia_jobs, cohort_jobs
from crtcore.data.sources import Sources, arrhythmia_sources, cohort_sources
from crtcore.errors import DataError, StorageError
from crtcore.signal.recording import Recording
from crtcore.signal.wfdb_reader import write_recording
from crtcore.stages.stage import StageKey
from crtcore.stages.store import StageStore


def read(experiment: Experiment) -> Sources:
    recordings, patients, leads = cohort_sources(experiment)
    return Sources(
        arrhythmia=arrhythmia_sources(experiment), cohort=recordings, patients=patients, cohort_leads=leads
    )


def open_store(experiment: Experiment) -> StageStore:
    return StageStore(experiment.storage, cache=experiment.cache)


class CountingMap:
    """`map` that notes how many jobs it was given."""

    def __init__(self) -> None:
        self.num_jobs = 0

    def __call__(self, function: Callable[[ShardJob], None], jobs: Sequence[ShardJob], /) -> Iterable[None]:
        self.num_jobs += len(jobs)
        return map(function, jobs)


def build(experiment: Experiment) -> int:
    """Prepare the cohort with a fresh store; how many shards were built."""
    counting = CountingMap()
    jobs = cohort_jobs(experiment, read(experiment))
    run_prepare(open_store(experiment), cohort_stage(experiment, read(experiment)), jobs, map_jobs=counting)
    return counting.num_jobs


def test_arrhythmia_images_and_labels(tiny: Experiment) -> None:
    store, jobs = open_store(tiny), arrhythmia_jobs(tiny, read(tiny))
    stage = prepare_stage("arrhythmia", jobs)
    seen: list[tuple[int, int]] = []
    run_prepare(store, stage, jobs, on_progress=lambda done, total: seen.append((done, total)))
    images = load_images(store, stage)
    assert images.image_NFT.shape == (4 * 8 * 2, 64, 64)
    assert images.num_beats == 32 and images.num_patients == 4
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert set(images.label_N.tolist()) <= {0, 1, 2, 3, 4} and "" not in images.symbol_N
    # each image spans its own 80 dB: the brightest point is always 255
    assert (images.image_NFT.reshape(64, -1).max(axis=1) == 255).all()
    assert images.beat_N.tolist() == np.repeat(np.arange(32), 2).tolist()


def test_cohort_rows_are_beat_major_with_the_patients_label(tiny: Experiment) -> None:
    store, sources = open_store(tiny), read(tiny)
    jobs = cohort_jobs(tiny, sources)
    stage = cohort_stage(tiny, read(tiny))
    run_prepare(store, stage, jobs)
    images = load_images(store, stage)
    assert images.leads == ("II", "V1")
    assert images.lead_N.tolist() == [0, 1] * images.num_beats
    label = {patient.patient_id: patient.label for patient in sources.patients}
    assert images.label_N.tolist() == [label[patient_id] for patient_id in images.patient_N]
    assert images.num_patients == 12
    facts = store.find(stage)
    assert facts is not None and facts.facts["num_images"] == images.num_images


def test_finished_work_is_not_done_again(tiny: Experiment) -> None:
    assert build(tiny) == 12
    assert build(tiny) == 0


def test_a_damaged_shard_alone_is_built_again(tiny: Experiment) -> None:
    build(tiny)
    jobs = cohort_jobs(tiny, read(tiny))
    store = open_store(tiny)
    path = store.path(jobs[3].stage, SHARD_FILE)
    intact = path.read_bytes()
    path.write_bytes(intact[:-1])
    stage = cohort_stage(tiny, read(tiny))
    with pytest.raises(StorageError, match="is damaged"):
        load_images(open_store(tiny), stage)
    store.discard(stage)
    assert build(tiny) == 1
    assert open_store(tiny).path(jobs[3].stage, SHARD_FILE).read_bytes() == intact


def test_overlapping_cohorts_share_their_shards(tiny: Experiment) -> None:
    build(tiny)
    smaller = Path(tiny.storage).parent / "cohort"
    smaller.mkdir()
    (smaller / "records").symlink_to(tiny.manifest_path.parent / "records")
    lines = tiny.manifest_path.read_text().splitlines()
    (smaller / "cohort.csv").write_text("\n".join(lines[:1] + lines[3:]) + "\n")
    assert build(override(tiny, {"cohort.manifest": smaller / "cohort.csv"})) == 0


@pytest.mark.parametrize(
    "change",
    [{"spectrogram.window": "hann"}, {"cohort.leads": ("I", "V1")}, {"cohort.max_beats_per_recording": 1}],
)
def test_a_changed_setting_is_another_stage(tiny: Experiment, change: dict[str, object]) -> None:
    sources = read(tiny)
    changed = override(tiny, change)
    assert cohort_jobs(changed, read(changed))[0].stage.digest != cohort_jobs(tiny, sources)[0].stage.digest


def test_absent_lead_is_named(tiny: Experiment) -> None:
    with pytest.raises(DataError, match=r"has no lead V9 \(it has I, II"):
        build(override(tiny, {"cohort.leads": ("II", "V9")}))


def test_detected_peaks_take_their_labels_from_the_annotation(tiny: Experiment) -> None:
    experiment = override(tiny, {"arrhythmia.r_peaks": "detected", "arrhythmia.max_beats_per_record": None})
    store = open_store(experiment)
    sources = read(experiment)
    num_beats = []
    for config in (experiment, override(experiment, {"arrhythmia.r_peaks": "annotated"})):
        jobs = arrhythmia_jobs(config, sources)
        stage = prepare_stage("arrhythmia", jobs)
        run_prepare(store, stage, jobs)
        images = load_images(store, stage)
        assert "" not in images.symbol_N
        num_beats.append(images.num_beats)
    detected, annotated = num_beats
    assert 0.9 * annotated <= detected <= annotated


def test_unprepared_set(tiny: Experiment) -> None:
    with pytest.raises(StorageError, match="not prepared"):
        load_images(open_store(tiny), cohort_stage(tiny, read(tiny)))


def test_shards_are_addressed_by_digest(tiny: Experiment) -> None:
    build(tiny)
    job = cohort_jobs(tiny, read(tiny))[0]
    assert open_store(tiny).find(StageKey(name="shard", digest=job.stage.digest)) is not None


def with_manifest(
    tiny: Experiment, edit: Callable[[list[str]], list[str]], **records: np.ndarray
) -> Experiment:
    """The experiment with an edited manifest, and with `records` (12 leads x samples, 500 Hz) added to it."""
    folder = Path(tiny.storage).parent / "edited"
    shutil.copytree(tiny.manifest_path.parent, folder)
    for name, signal_CS in records.items():
        recording = Recording(
            record_id=name, patient_id=name, leads=LEADS, sampling_rate_hz=500.0, signal_CS=signal_CS
        )
        write_recording(folder / "records", recording, fmt="16", comments=["simulated"])
    lines = (folder / "cohort.csv").read_text().splitlines()
    (folder / "cohort.csv").write_text("\n".join(edit(lines)) + "\n")
    return override(tiny, {"cohort.manifest": folder / "cohort.csv"})


LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def test_flagged_recordings_can_be_left_out(tiny: Experiment) -> None:
    flat = np.zeros((12, 5000), np.float32)
    flat[:, 2000:2010] = 1
    columns = tiny.manifest_path.read_text().splitlines()[0].split(",")
    row = ",".join(
        {"patient_id": "flat", "recording": "records/flat", "label": "1"}.get(c, "") for c in columns
    )
    experiment = with_manifest(tiny, lambda lines: [*lines, row], flat=flat)
    with pytest.raises(DataError, match=r"flat has no whole beat; remove it, or set cohort\.exclude"):
        build(experiment)
    cleaned = override(experiment, {"cohort.exclude": ("flat", "too_few_beats")})
    assert build(cleaned) == 0  # its shards are built already: only the set is another
    sources = read(cleaned)
    facts = open_store(cleaned).find(cohort_stage(cleaned, sources))
    assert facts is not None
    assert facts.facts["num_patients"] == 12
    assert [entry["flags"] for entry in facts.facts["excluded"]] == [["flat", "too_few_beats"]]


def test_leads_are_derived_where_physics_allows(tiny: Experiment) -> None:
    experiment = override(tiny, {"cohort.leads": ("ii", "aVL"), "cohort.max_beats_per_recording": 1})
    sources = read(experiment)
    assert sources.cohort_leads == ("II", "aVL")
    jobs = cohort_jobs(experiment, sources)
    stage = cohort_stage(experiment, sources)
    run_prepare(open_store(experiment), stage, jobs)
    assert load_images(open_store(experiment), stage).leads == ("II", "aVL")


def test_predefined_folds_are_a_part_of_the_set(tiny: Experiment) -> None:
    def add_folds(lines: list[str]) -> list[str]:
        return [lines[0] + ",fold", *(f"{line},{number % 2}" for number, line in enumerate(lines[1:]))]

    experiment = with_manifest(tiny, add_folds)
    stage = cohort_stage(experiment, read(experiment))
    assert stage.digest != cohort_stage(tiny, read(tiny)).digest
    assert set(stage.config["folds"].values()) == {0, 1}
