"""The stage store and a prepared set on an object store: a real S3 server (moto) on 127.0.0.1."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.fs as pafs
import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.loader import load_images
from crtcore.data.prepare import arrhythmia_set, run_prepare
from crtcore.data.sources import Sources, arrhythmia_sources
from crtcore.errors import StorageError
from crtcore.stages.stage import Stage
from crtcore.stages.storage import Content, Storage
from crtcore.stages.store import MANIFEST, StageStore
from tests.aws_server import aws_server

BUCKET = "bucket"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Host and port of an S3 server that holds one empty bucket."""
    with aws_server() as address:
        _client(address).create_dir(BUCKET)
        yield address


def _client(endpoint: str) -> pafs.S3FileSystem:
    return pafs.S3FileSystem(
        endpoint_override=endpoint, scheme="http", region="us-east-1", allow_bucket_creation=True
    )


@pytest.fixture
def client(endpoint: str) -> pafs.S3FileSystem:
    """The server as another program sees it."""
    return _client(endpoint)


@pytest.fixture
def store(endpoint: str, tmp_path: Path) -> StageStore:
    return StageStore(uri_of(endpoint, f"{BUCKET}/{tmp_path.name}"), cache=tmp_path / "cache")


def uri_of(endpoint: str, path: str) -> str:
    return f"s3://{path}?scheme=http&endpoint_override={endpoint}&region=us-east-1"


def elsewhere(store: StageStore, node: str = "node") -> StageStore:
    """The same storage as another node with an empty cache sees it."""
    return StageStore(store.uri, cache=store.cache / node)


def stage(**config: object) -> Stage:
    return Stage(name="toy", config=config, inputs=("abc",), version=1)


def objects(client: pafs.S3FileSystem, store: StageStore) -> list[str]:
    """Paths of all objects below the store, directory markers left out."""
    folder = store.uri.removeprefix("s3://").split("?")[0]
    found = client.get_file_info(pafs.FileSelector(folder, recursive=True, allow_not_found=True))
    return sorted(info.path for info in found if info.type == pafs.FileType.File)


def overwrite(client: pafs.S3FileSystem, path: str, content: bytes) -> None:
    with client.open_output_stream(path) as stream:
        stream.write(content)


def test_committed_files_are_read_back_by_another_node(store: StageStore, tmp_path: Path) -> None:
    source = tmp_path / "big.bin"
    source.write_bytes(os.urandom(3_000_000))
    assert store.find(stage()) is None
    store.commit(stage(), {"a.txt": b"from memory", "b.bin": source}, {"score": 0.5, "classes": {"N": 2}})
    reader = elsewhere(store)
    manifest = reader.find(stage())
    assert manifest is not None and manifest.facts == {"score": 0.5, "classes": {"N": 2}}
    assert reader.path(stage(), "a.txt").read_bytes() == b"from memory"
    assert reader.path(stage(), "b.bin").read_bytes() == source.read_bytes()
    assert reader.cache in reader.path(stage(), "b.bin").parents


def test_a_file_is_downloaded_once_a_node(store: StageStore, client: pafs.S3FileSystem) -> None:
    store.commit(stage(), {"a": b"0123456789"}, {})
    first = elsewhere(store).path(stage(), "a")
    (remote,) = (path for path in objects(client, store) if path.endswith("/a"))
    client.delete_file(remote)
    assert elsewhere(store).path(stage(), "a") == first  # another process of the node: served by its cache
    with pytest.raises(StorageError, match="is damaged"):
        elsewhere(store, "another node").path(stage(), "a")


def test_damage_in_the_bucket_is_found(store: StageStore, client: pafs.S3FileSystem) -> None:
    store.commit(stage(), {"a": b"0123456789"}, {})
    (remote,) = (path for path in objects(client, store) if path.endswith("/a"))
    overwrite(client, remote, b"0123456788")
    with pytest.raises(StorageError, match=r"/a is damaged"):
        elsewhere(store).path(stage(), "a")
    (manifest,) = (path for path in objects(client, store) if path.endswith(MANIFEST))
    overwrite(client, manifest, b"{}")
    with pytest.raises(StorageError, match=r"manifest\.json is damaged"):
        elsewhere(store).find(stage())


def test_damage_in_the_cache_is_mended_from_the_bucket(store: StageStore) -> None:
    store.commit(stage(), {"a": b"0123456789"}, {})
    cached = elsewhere(store).path(stage(), "a")
    cached.write_bytes(b"01234")
    assert elsewhere(store).path(stage(), "a").read_bytes() == b"0123456789"


def test_a_commit_cut_short_is_no_commit(store: StageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Storage.write

    def die_at_the_manifest(self: Storage, path: str, content: Content | Iterable[memoryview]) -> None:
        if path.endswith(MANIFEST):
            raise KeyboardInterrupt
        write(self, path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "write", die_at_the_manifest)
        with pytest.raises(KeyboardInterrupt):
            store.commit(stage(), {"a": b"first"}, {})
    assert elsewhere(store).find(stage()) is None
    with pytest.raises(StorageError, match="has no file a"):
        elsewhere(store).path(stage(), "a")
    store.commit(stage(), {"a": b"second"}, {})
    assert elsewhere(store).path(stage(), "a").read_bytes() == b"second"


def test_two_commits_at_once_leave_one_whole_stage(
    store: StageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rival, write = elsewhere(store), Storage.write

    def commit_rival_first(self: Storage, path: str, content: Content | Iterable[memoryview]) -> None:
        if self is store._storage and path.endswith(MANIFEST):
            rival.commit(stage(), {"a": b"rival", "b": b"rival"}, {})
            assert rival.path(stage(), "a").read_bytes() == b"rival"
        write(self, path, content)

    monkeypatch.setattr(Storage, "write", commit_rival_first)
    store.commit(stage(), {"a": b"ours", "b": b"ours"}, {})
    # Who read the first manifest goes on with its files; who comes later reads the other's.
    assert rival.path(stage(), "b").read_bytes() == b"rival"
    later = elsewhere(store)
    assert [later.path(stage(), name).read_bytes() for name in "ab"] == [b"ours", b"ours"]


def test_second_commit_changes_nothing(store: StageStore) -> None:
    store.commit(stage(), {"a": b"first"}, {"n": 1})
    assert elsewhere(store).commit(stage(), {"a": b"second"}, {"n": 2}).facts == {"n": 1}
    assert elsewhere(store).path(stage(), "a").read_bytes() == b"first"


def test_discard_leaves_no_object(store: StageStore, client: pafs.S3FileSystem) -> None:
    store.discard(stage())  # nothing there: nothing to do
    store.commit(stage(), {"a": b"1"}, {})
    cached = store.path(stage(), "a")
    store.discard(stage())
    assert store.find(stage()) is None and objects(client, store) == [] and not cached.exists()
    store.commit(stage(), {"a": b"2"}, {})
    assert store.path(stage(), "a").read_bytes() == b"2"


def test_progress_is_replaced_and_cleared_by_the_commit(store: StageStore, client: pafs.S3FileSystem) -> None:
    assert store.load_progress(stage()) is None
    store.save_progress(stage(), [memoryview(b"epoch 1")])
    store.save_progress(stage(), [memoryview(b"epoch"), memoryview(b" 2")])
    path = elsewhere(store).load_progress(stage())
    assert path is not None and path.read_bytes() == b"epoch 2"
    store.commit(stage(), {}, {})
    assert elsewhere(store).load_progress(stage()) is None
    assert [path.rsplit("/", 1)[1] for path in objects(client, store)] == [MANIFEST]


def test_an_absent_bucket_is_told_at_once(endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no bucket misspelt"):
        StageStore(uri_of(endpoint, "misspelt/prefix"), cache=tmp_path)


def test_a_set_prepared_in_a_bucket_is_read_on_another_node(tiny: Experiment, store: StageStore) -> None:
    local = StageStore(tiny.storage, cache=tiny.cache)
    remote = override(tiny, {"storage": store.uri})
    sources = Sources(arrhythmia=arrhythmia_sources(tiny), cohort=(), patients=(), cohort_leads=())
    for experiment, target in ((tiny, local), (remote, store)):
        run_prepare(target, arrhythmia_set(experiment, sources))
    images, reference = (
        load_images(reader, arrhythmia_set(tiny, sources).stage) for reader in (elsewhere(store), local)
    )
    np.testing.assert_array_equal(images.image_NFT, reference.image_NFT)
    np.testing.assert_array_equal(images.label_N, reference.label_N)
    assert images.num_images == 4 * 8 * 2
