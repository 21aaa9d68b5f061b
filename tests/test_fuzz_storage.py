"""Damaged storage is never read as if it were intact. The error names it, and the same command repairs it."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.loader import load_images
from crtcore.data.prepare import arrhythmia_set, run_prepare
from crtcore.data.recording_shard import SHARD_FILE
from crtcore.data.shards import encode_shard, read_shard
from crtcore.data.sources import Sources, arrhythmia_sources
from crtcore.errors import StorageError
from crtcore.signal.recording import Beats
from crtcore.stages.stage import Stage
from crtcore.stages.store import MANIFEST, StageStore
from tests.damage import survives


def shard(num_beats: int = 3) -> bytes:
    sample_B = np.arange(num_beats, dtype=np.int64) * 300
    second_B = np.ones(num_beats, np.float32)
    return bytes(
        encode_shard(
            patient_id="p1",
            record_id="r1",
            leads=("II", "V1"),
            beats=Beats(
                r_sample_B=sample_B,
                start_B=sample_B,
                stop_B=sample_B + 300,
                rr_previous_s_B=second_B,
                rr_next_s_B=second_B,
                rr_ratio_B=second_B,
                symbol_B=np.full(num_beats, "N"),
            ),
            label_B=np.zeros(num_beats, dtype=np.int64),
            amplitude_mv_BC=np.ones((num_beats, 2), np.float32),
            image_BCFT=np.zeros((num_beats, 2, 64, 64), np.uint8),
        )
    )


def test_damaged_shards(tmp_path: Path) -> None:
    path = tmp_path / "shard.parquet"
    path.write_bytes(shard())

    def check() -> None:
        rows = read_shard(path)
        num_rows = len(rows.image_NFT)
        assert rows.image_NFT.shape == (num_rows, 64, 64)
        assert {len(rows.patient_N), len(rows.record_N), len(rows.lead_N), len(rows.label_N)} == {num_rows}

    survives(path, check)


def test_damaged_stage_manifests(tmp_path: Path) -> None:
    store = StageStore(str(tmp_path / "storage"), cache=tmp_path / "cache")
    stage = Stage(name="toy", config={"depth": 18}, inputs=("abc",), version=1)
    committed = store.commit(stage, {"a": b"0123456789"}, {"auc": 0.75, "symbols": {"N": 3}})

    def check() -> None:
        reader = StageStore(store.uri, cache=store.cache)
        assert reader.find(stage) == committed
        assert reader.path(stage, "a").read_bytes() == b"0123456789"

    survives(tmp_path / "storage/stages/toy" / stage.digest / MANIFEST, check)


@pytest.fixture
def prepared(tiny: Experiment) -> tuple[StageStore, Stage, Path]:
    """A prepared set of two records, and the path of one of its shards."""
    experiment = override(tiny, {"arrhythmia.max_beats_per_record": 2})
    sources = sources_of(experiment)
    shards = arrhythmia_set(experiment, replace(sources, arrhythmia=sources.arrhythmia[:2]))
    store = StageStore(tiny.storage, cache=tiny.cache)
    run_prepare(store, shards)
    return store, shards.stage, store.path(shards.jobs[1].stage, SHARD_FILE)


def sources_of(experiment: Experiment) -> Sources:
    return Sources(arrhythmia=arrhythmia_sources(experiment), cohort=(), patients=(), cohort_leads=())


def test_a_flipped_bit_of_a_shard_never_reaches_training(prepared: tuple[StageStore, Stage, Path]) -> None:
    store, stage, path = prepared
    manifest = (path.parents[2] / "prepare" / stage.digest / MANIFEST).read_bytes()
    intact = path.read_bytes()
    generator = np.random.default_rng(0)
    for bit in [0, 8 * len(intact) - 1, *generator.integers(8 * len(intact), size=200).tolist()]:
        content = bytearray(intact)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        with pytest.raises(StorageError, match=r"shard\.parquet is damaged"):
            load_images(StageStore(store.uri, cache=store.cache), stage)
        # A reader that finds damage removes the set's manifest, so that `prepare` checks every shard. Put it
        # back for the next bit.
        assert StageStore(store.uri, cache=store.cache).find(stage) is None
        (path.parents[2] / "prepare" / stage.digest).mkdir()
        (path.parents[2] / "prepare" / stage.digest / MANIFEST).write_bytes(manifest)
    path.write_bytes(intact)
    assert load_images(StageStore(store.uri, cache=store.cache), stage).num_images == 8


def test_a_flipped_bit_of_the_mapped_copy_is_repaired(prepared: tuple[StageStore, Stage, Path]) -> None:
    store, stage, _ = prepared
    image_NFT = np.array(load_images(store, stage).image_NFT)
    (copy,) = (store.cache / "images").glob("*.u8")
    content = bytearray(copy.read_bytes())
    for position in (0, 5000, len(content) - 1):
        content[position] ^= 4
        copy.write_bytes(content)
        np.testing.assert_array_equal(load_images(store, stage).image_NFT, image_NFT)


def test_the_same_command_repairs_a_damaged_shard(tiny: Experiment) -> None:
    shards = arrhythmia_set(tiny, sources_of(tiny))
    stage, jobs = shards.stage, shards.jobs
    for damaged_file in (SHARD_FILE, MANIFEST, None):
        store = StageStore(tiny.storage, cache=tiny.cache)
        run_prepare(store, shards)
        path = store.path(jobs[0].stage, SHARD_FILE)
        intact = path.read_bytes()
        if damaged_file is None:
            shutil.rmtree(path.parent)  # what the message tells a user to do
        else:
            (path.parent / damaged_file).write_bytes(bytes(100))
        with pytest.raises(StorageError, match=jobs[0].stage.digest):
            load_images(StageStore(tiny.storage, cache=tiny.cache), stage)
        again = StageStore(tiny.storage, cache=tiny.cache)
        run_prepare(again, shards)
        assert path.read_bytes() == intact
        assert load_images(again, stage).num_images == 4 * 8 * 2


def test_a_stage_folder_without_its_manifest_is_an_error(tmp_path: Path) -> None:
    store = StageStore(str(tmp_path / "storage"), cache=tmp_path / "cache")
    stage = Stage(name="toy", config={}, inputs=(), version=1)
    store.commit(stage, {"a": b"1"}, {})
    (tmp_path / "storage/stages/toy" / stage.digest / MANIFEST).unlink()
    with pytest.raises(StorageError, match=r"no manifest\.json; remove it and run the same command"):
        StageStore(store.uri, cache=store.cache).commit(stage, {"a": b"1"}, {})
