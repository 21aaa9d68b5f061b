"""A prepared set -> one array of images, mapped from this node's copy."""

from pathlib import Path

import numpy as np
import pytest

from crtcore.config import Experiment
from crtcore.data.loader import ImageSet, load_images
from crtcore.data.prepare import ShardSet, arrhythmia_set, cohort_set, run_prepare
from crtcore.data.recording_shard import SHARD_FILE
from crtcore.data.shards import read_shard
from crtcore.errors import StorageError
from crtcore.pipeline import open_store, read_sources


def loaded(experiment: Experiment, shards: ShardSet) -> ImageSet:
    store = open_store(experiment)
    run_prepare(store, shards)
    return load_images(store, shards.stage)


@pytest.fixture
def cohort(tiny: Experiment) -> ShardSet:
    return cohort_set(tiny, read_sources(tiny))


def test_images_of_the_database(tiny: Experiment) -> None:
    images = loaded(tiny, arrhythmia_set(tiny, read_sources(tiny)))
    assert images.image_NFT.shape == (4 * 8 * 2, 64, 64)
    assert (images.num_images, images.num_beats, images.num_patients) == (64, 32, 4)
    assert images.beat_N.tolist() == np.repeat(np.arange(32), 2).tolist()


def test_cohort_rows_are_beat_major_with_the_patients_label(tiny: Experiment, cohort: ShardSet) -> None:
    images = loaded(tiny, cohort)
    assert images.leads == ("II", "V1")
    assert images.lead_N.tolist() == [0, 1] * images.num_beats
    label = {patient.patient_id: patient.label for patient in read_sources(tiny).patients}
    assert images.label_N.tolist() == [label[patient_id] for patient_id in images.patient_N]
    assert images.num_patients == 12


def test_images_are_those_of_the_shards_in_the_order_of_the_set(tiny: Experiment, cohort: ShardSet) -> None:
    images, store = loaded(tiny, cohort), open_store(tiny)
    shards = [read_shard(store.path(job.stage, SHARD_FILE)) for job in cohort.jobs]
    assert np.array_equal(images.image_NFT, np.concatenate([shard.image_NFT for shard in shards]))
    assert images.record_N.tolist() == [record for shard in shards for record in shard.record_N]
    amplitude_mv_N = np.concatenate([shard.amplitude_mv_N for shard in shards])
    assert np.array_equal(images.amplitude_mv_N, amplitude_mv_N)


def test_all_processes_of_a_node_map_one_file(tiny: Experiment, cohort: ShardSet) -> None:
    first = loaded(tiny, cohort)
    (copy,) = (tiny.cache / "images").glob("*.u8")
    written = copy.stat()
    second = loaded(tiny, cohort)
    after = copy.stat()
    assert (after.st_ino, after.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    for images in (first, second):
        assert isinstance(images.image_NFT, np.memmap)
        assert Path(str(images.image_NFT.filename)) == copy
        assert not images.image_NFT.flags.writeable


def test_a_copy_of_another_length_is_replaced(tiny: Experiment, cohort: ShardSet) -> None:
    expected = np.array(loaded(tiny, cohort).image_NFT)
    (copy,) = (tiny.cache / "images").glob("*.u8")
    copy.write_bytes(bytes(10))
    assert np.array_equal(loaded(tiny, cohort).image_NFT, expected)
    assert {path.name for path in copy.parent.iterdir()} == {copy.name, f"{copy.name}.lock"}  # and no draft


def test_a_set_that_is_not_prepared_is_refused(tiny: Experiment, cohort: ShardSet) -> None:
    with pytest.raises(StorageError, match=r"not prepared .* run `crtsearch prepare`"):
        load_images(open_store(tiny), cohort.stage)


def test_a_damaged_shard_makes_the_next_preparation_look_at_all(tiny: Experiment, cohort: ShardSet) -> None:
    expected = np.array(loaded(tiny, cohort).image_NFT)
    path = Path(open_store(tiny).path(cohort.jobs[2].stage, SHARD_FILE))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StorageError, match="is damaged"):
        load_images(open_store(tiny), cohort.stage)
    assert open_store(tiny).find(cohort.stage) is None
    assert np.array_equal(loaded(tiny, cohort).image_NFT, expected)
