"""What a listing finds in a store with every kind of entry."""

from pathlib import Path

import pytest

from crtcore.errors import StorageError
from crtcore.stages.listing import Listing
from crtcore.stages.stage import Stage
from crtcore.stages.store import MANIFEST, StageStore


def stage(name: str, *inputs: Stage) -> Stage:
    return Stage(name=name, config={}, inputs=tuple(each.digest for each in inputs), version=1)


SHARD = stage("shard")
COHORT = stage("prepare")
PRETRAIN = stage("pretrain", COHORT)
UNFINISHED = stage("finetune", PRETRAIN)


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    store = StageStore(str(tmp_path / "storage"), cache=tmp_path / "cache")
    store.commit(SHARD, {"data": bytes(1000)}, {})
    store.commit(COHORT, {}, {"shards": [{"digest": SHARD.digest}]})
    store.commit(PRETRAIN, {"data": bytes(2000)}, {})
    store.save_progress(UNFINISHED, [memoryview(bytes(500))])
    attempt = tmp_path / "storage/stages/pretrain" / f".tmp-{PRETRAIN.digest}-0123abcd"
    attempt.mkdir()
    (attempt / MANIFEST).write_bytes(bytes(300))
    return store


def test_each_entry_has_its_kind_digest_and_size(store: StageStore) -> None:
    listing = Listing(store)
    found = {(entry.kind, entry.path, entry.digest) for entry in listing.entries}
    assert found == {
        ("stage", str(SHARD), SHARD.digest),
        ("stage", str(COHORT), COHORT.digest),
        ("stage", str(PRETRAIN), PRETRAIN.digest),
        ("checkpoint", f"{UNFINISHED}.progress", UNFINISHED.digest),
        ("unfinished stage", f"pretrain/.tmp-{PRETRAIN.digest}-0123abcd", PRETRAIN.digest),
    }
    sizes = {entry.path: entry.num_bytes for entry in listing.entries}
    assert sizes[f"{UNFINISHED}.progress"] == 500
    assert 1000 < sizes[str(SHARD)] < 2000
    assert listing.num_bytes([SHARD.digest, "unknown"]) == sizes[str(SHARD)]


def test_a_closure_follows_inputs_and_shards(store: StageStore) -> None:
    listing = Listing(store)
    assert listing.closure([PRETRAIN.digest]) == {PRETRAIN.digest, COHORT.digest, SHARD.digest}
    assert listing.closure(["unknown"]) == {"unknown"}


def test_every_kind_of_entry_can_be_removed(store: StageStore) -> None:
    listing = Listing(store)
    for entry in listing.entries:
        listing.remove(entry)
    assert Listing(store).entries == ()


def test_a_damaged_manifest_is_an_error_and_not_a_stage_without_inputs(store: StageStore) -> None:
    Path(store.uri, "stages", str(PRETRAIN), MANIFEST).write_text("{}")
    reader = Listing(StageStore(store.uri, cache=store.cache))
    with pytest.raises(StorageError, match=f"{PRETRAIN.digest}/{MANIFEST} is damaged"):
        reader.closure([PRETRAIN.digest])


def test_an_empty_storage_has_no_entries(tmp_path: Path) -> None:
    assert Listing(StageStore(str(tmp_path / "new"), cache=tmp_path)).entries == ()
