"""The prepared sets: what is built, what is built again, what is left out."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.loader import load_images
from crtcore.data.prepare import ShardSet, arrhythmia_set, cohort_set, run_prepare
from crtcore.data.recording_shard import SHARD_FILE, ShardJob
from crtcore.errors import DataError, StorageError
from crtcore.pipeline import open_store, read_sources
from crtcore.signal.recording import Recording
from crtcore.signal.wfdb_reader import write_recording

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


class CountingMap:
    """`map` that counts the jobs that it is given."""

    def __init__(self) -> None:
        self.num_jobs = 0

    def __call__(self, function: Callable[[ShardJob], None], jobs: Sequence[ShardJob], /) -> Iterable[None]:
        self.num_jobs += len(jobs)
        return map(function, jobs)


def cohort_of(experiment: Experiment) -> ShardSet:
    return cohort_set(experiment, read_sources(experiment))


def build(experiment: Experiment) -> int:
    """Prepare the cohort with a fresh store. Returns how many shards were built."""
    counting = CountingMap()
    run_prepare(open_store(experiment), cohort_of(experiment), map_jobs=counting)
    return counting.num_jobs


def test_progress_counts_the_recordings(tiny: Experiment) -> None:
    shards = arrhythmia_set(tiny, read_sources(tiny))
    seen: list[tuple[int, int]] = []
    run_prepare(open_store(tiny), shards, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_finished_work_is_not_done_again(tiny: Experiment) -> None:
    assert build(tiny) == 12
    assert build(tiny) == 0


def test_facts_of_the_set_sum_up_those_of_its_shards(tiny: Experiment) -> None:
    build(tiny)
    store, shards = open_store(tiny), cohort_of(tiny)
    manifest = store.find(shards.stage)
    assert manifest is not None
    facts = manifest.facts
    assert [entry["digest"] for entry in facts["shards"]] == [job.stage.digest for job in shards.jobs]
    assert facts["num_beats"] == sum(entry["num_beats"] for entry in facts["shards"]) > 12
    assert facts["num_images"] == 2 * facts["num_beats"]
    assert (facts["num_patients"], facts["leads"]) == (12, ["II", "V1"])


def test_sets_of_the_same_stage_are_equal_wherever_their_recordings_are(
    tiny: Experiment, tmp_path: Path
) -> None:
    shutil.copytree(tiny.data, tmp_path / "moved")
    moved = override(tiny, {"data": tmp_path / "moved"})
    assert cohort_of(moved) == cohort_of(tiny)
    assert cohort_of(moved).jobs != cohort_of(tiny).jobs
    assert cohort_of(override(tiny, {"spectrogram.window": "hann"})) != cohort_of(tiny)


def test_a_damaged_shard_alone_is_built_again(tiny: Experiment) -> None:
    build(tiny)
    shards, store = cohort_of(tiny), open_store(tiny)
    path = store.path(shards.jobs[3].stage, SHARD_FILE)
    intact = path.read_bytes()
    path.write_bytes(intact[:-1])
    with pytest.raises(StorageError, match="is damaged"):
        load_images(open_store(tiny), shards.stage)
    store.discard(shards.stage)
    assert build(tiny) == 1
    assert open_store(tiny).path(shards.jobs[3].stage, SHARD_FILE).read_bytes() == intact


def test_a_shard_that_was_built_out_of_sight_is_reported(tiny: Experiment) -> None:
    def lose(function: Callable[[ShardJob], None], jobs: Sequence[ShardJob], /) -> Iterable[None]:
        return [None for _ in jobs]  # as a node does that writes to a folder of its own

    with pytest.raises(StorageError, match=r"shard/\w+ was built and is not in .* set storage to a folder"):
        run_prepare(open_store(tiny), cohort_of(tiny), map_jobs=lose)


def test_overlapping_cohorts_share_their_shards(tiny: Experiment) -> None:
    build(tiny)
    smaller = Path(tiny.storage).parent / "cohort"
    smaller.mkdir()
    (smaller / "records").symlink_to(tiny.manifest_path.parent / "records")
    lines = tiny.manifest_path.read_text().splitlines()
    (smaller / "cohort.csv").write_text("\n".join(lines[:1] + lines[3:]) + "\n")
    assert build(override(tiny, {"cohort.manifest": smaller / "cohort.csv"})) == 0


def with_manifest(
    tiny: Experiment, edit: Callable[[list[str]], list[str]], **records: np.ndarray[Any, Any]
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
    assert build(cleaned) == 0  # its shards are built already, only the set is another
    manifest = open_store(cleaned).find(cohort_of(cleaned).stage)
    assert manifest is not None
    assert manifest.facts["num_patients"] == 12
    assert [entry["flags"] for entry in manifest.facts["excluded"]] == [["flat", "too_few_beats"]]


def test_predefined_folds_are_a_part_of_the_set(tiny: Experiment) -> None:
    def add_folds(lines: list[str]) -> list[str]:
        return [lines[0] + ",fold", *(f"{line},{number % 2}" for number, line in enumerate(lines[1:]))]

    stage = cohort_of(with_manifest(tiny, add_folds)).stage
    assert stage.digest != cohort_of(tiny).stage.digest
    assert set(stage.config["folds"].values()) == {0, 1}
