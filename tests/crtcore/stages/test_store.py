"""The store's promises: atomic commits, damage found, progress replaced at once."""

import errno
import json
import multiprocessing
import os
from pathlib import Path

import pytest

from crtcore.errors import StorageError
from crtcore.stages.stage import Stage, StageKey
from crtcore.stages.store import MANIFEST, StageStore


def stage(**config: object) -> Stage:
    return Stage(name="toy", config=config, inputs=("abc",), version=1)


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(str(tmp_path / "storage"), cache=tmp_path / "cache")


def fresh(store: StageStore) -> StageStore:
    """The same storage as another process sees it."""
    return StageStore(store.uri, cache=store.cache)


def test_committed_files_are_read_back(store: StageStore, tmp_path: Path) -> None:
    source = tmp_path / "big.bin"
    source.write_bytes(b"from a file")
    store.commit(stage(), {"a.txt": b"from memory", "b.bin": source}, {"score": 0.5})
    reader = fresh(store)
    key = StageKey(name="toy", digest=stage().digest)
    manifest = reader.find(key)
    assert manifest is not None and manifest.facts == {"score": 0.5}
    assert reader.path(key, "a.txt").read_bytes() == b"from memory"
    assert reader.path(stage(), "b.bin").read_bytes() == b"from a file"
    assert source.exists()


def test_uncommitted_is_not_found(store: StageStore) -> None:
    assert store.find(stage()) is None
    with pytest.raises(StorageError, match=r"has no file x"):
        store.path(stage(), "x")


def test_second_commit_changes_nothing(store: StageStore) -> None:
    store.commit(stage(), {"a": b"first"}, {"n": 1})
    assert fresh(store).commit(stage(), {"a": b"second"}, {"n": 2}).facts == {"n": 1}
    assert fresh(store).path(stage(), "a").read_bytes() == b"first"


def test_a_commit_that_loses_the_race_leaves_no_litter(
    store: StageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rival, original = fresh(store), StageStore._rename

    def rename_after_rival(self: StageStore, folder: str, target: str) -> None:
        if self is store:
            rival.commit(stage(), {"a": b"rival"}, {})
        original(self, folder, target)

    monkeypatch.setattr(StageStore, "_rename", rename_after_rival)
    store.commit(stage(), {"a": b"ours"}, {})
    assert store.path(stage(), "a").read_bytes() == b"rival"
    folder = Path(store.uri, "stages", "toy")
    assert [entry.name for entry in folder.iterdir()] == [stage().digest]


def test_a_commit_cut_short_is_no_commit(store: StageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(self: StageStore, folder: str, target: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StageStore, "_rename", die)
        with pytest.raises(KeyboardInterrupt):
            store.commit(stage(), {"a": b"1"}, {})
    assert fresh(store).find(stage()) is None
    assert store.commit(stage(), {"a": b"1"}, {}).files["a"]["bytes"] == 1


def test_a_full_disk_ends_the_commit_and_is_left_no_fuller(
    store: StageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def full(descriptor: int) -> None:
        sync(descriptor)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            store.commit(stage(), {"a": b"1"}, {})
        with pytest.raises(StorageError, match="No space left"):
            store.save_progress(stage(), [memoryview(b"1")])
    assert list(Path(store.uri, "stages", "toy").iterdir()) == []


def test_a_probe_leaves_nothing_behind(store: StageStore) -> None:
    store.probe()
    assert list(Path(store.uri).iterdir()) == []
    assert list(store.cache.iterdir()) == []


@pytest.mark.parametrize("which", ["storage", "cache"])
def test_a_probe_finds_a_file_in_place_of_a_folder(tmp_path: Path, which: str) -> None:
    (tmp_path / which).write_text("a file")
    store = StageStore(str(tmp_path / "storage"), cache=tmp_path / "cache")
    with pytest.raises(StorageError, match=rf"{which} .*/{which} cannot be used .*give a folder, not a file"):
        store.probe()


@pytest.mark.parametrize("bit", [0, 13, 79])
def test_a_flipped_bit_is_found(store: StageStore, bit: int) -> None:
    store.commit(stage(), {"a": b"0123456789"}, {})
    path = Path(store.uri, "stages", "toy", stage().digest, "a")
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"toy/[0-9a-f]{20}/a is damaged"):
        fresh(store).path(stage(), "a")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": {}}'])
def test_a_damaged_manifest_is_found(store: StageStore, text: str) -> None:
    store.commit(stage(), {}, {})
    Path(store.uri, "stages", "toy", stage().digest, MANIFEST).write_text(text)
    with pytest.raises(StorageError, match="damaged"):
        fresh(store).find(stage())


def test_discard_lets_a_stage_be_built_again(store: StageStore) -> None:
    store.commit(stage(), {"a": b"1"}, {})
    store.discard(stage())
    assert store.find(stage()) is None
    store.commit(stage(), {"a": b"2"}, {})
    assert store.path(stage(), "a").read_bytes() == b"2"


def test_progress_is_replaced_and_cleared_by_the_commit(store: StageStore) -> None:
    assert store.load_progress(stage()) is None
    store.save_progress(stage(), [memoryview(b"epoch 1")])
    store.save_progress(stage(), [memoryview(b"epoch"), memoryview(b" 2")])
    path = fresh(store).load_progress(stage())
    assert path is not None and path.read_bytes() == b"epoch 2"
    store.commit(stage(), {}, {})
    assert store.load_progress(stage()) is None
    folder = Path(store.uri, "stages", "toy")
    assert [entry.name for entry in folder.iterdir()] == [stage().digest]


def test_facts_that_json_cannot_hold_are_refused(store: StageStore) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        store.commit(stage(), {}, {"auc": float("nan")})
    assert store.find(stage()) is None


def test_unknown_uri_scheme(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nonsense://x"):
        StageStore("nonsense://x", cache=tmp_path)


def test_manifest_names_config_and_inputs(store: StageStore) -> None:
    store.commit(stage(depth=18), {}, {})
    text = Path(store.uri, "stages", "toy", stage(depth=18).digest, MANIFEST).read_text()
    content = json.loads(text)
    assert content["config"] == {"depth": 18}
    assert content["inputs"] == ["abc"]


def _commit(uri: str, cache: Path, value: bytes) -> None:
    StageStore(uri, cache=cache).commit(stage(), {"a": value * 100_000, "b": value * 100_000}, {})


def test_processes_that_commit_at_once_never_mix_their_files(store: StageStore) -> None:
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=_commit, args=(store.uri, store.cache, bytes([65 + n]))) for n in range(6)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 6
    a, b = (store.path(stage(), name).read_bytes() for name in "ab")
    assert a == b
