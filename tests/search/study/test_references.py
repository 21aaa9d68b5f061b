"""The list of its stages that a sweep leaves in an object store, and what `gc` makes of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs as pafs
import pytest
from optuna.trial import TrialState, create_trial

from crtcore.errors import StorageError, SweepError
from crtcore.stages.stage import Stage, sha256_of_json
from crtcore.stages.storage import Storage
from crtcore.stages.store import MANIFEST, StageStore
from search.study.attributes import DIGESTS
from search.study.folder import sweep_dir
from search.study.housekeeping import forget_sweep, housekeep
from search.study.references import ReferenceFile, read_references
from search.study.study import open_study
from search.study.update import TrialUpdate
from tests.aws_server import aws_server

COHORT = Stage(name="prepare", config={}, inputs=(), version=1)
OURS, THEIRS, NOBODYS = (
    Stage(name="finetune", config={"which": which}, inputs=(COHORT.digest,), version=1)
    for which in ("ours", "theirs", "nobody's")
)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with aws_server() as address:
        pafs.S3FileSystem(
            endpoint_override=address, scheme="http", region="us-east-1", allow_bucket_creation=True
        ).create_dir("bucket")
        yield address


@pytest.fixture
def uri(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOME", str(tmp_path))
    return f"s3://bucket/{tmp_path.name}?scheme=http&endpoint_override={endpoint}&region=us-east-1"


@pytest.fixture
def store(uri: str, tmp_path: Path) -> StageStore:
    store = StageStore(uri, cache=tmp_path / "cache")
    for each in (COHORT, OURS, THEIRS, NOBODYS):
        store.commit(each, {"data": b"x"}, {})
    return store


def update(finetune: Stage) -> TrialUpdate:
    return TrialUpdate(
        number=0, state="WAITING", params={}, stages={"finetune": finetune.digest, "features": None}
    )


def run_sweep_on(machine: Path, uri: str, finetune: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep `demo` whose study lies on another machine: under another home."""
    monkeypatch.setenv("HOME", str(machine))
    study = open_study(uri, "demo", create=True)
    DIGESTS.write(study, {"cohort": COHORT.digest})
    references = ReferenceFile(study, uri)
    references.on_update(update(finetune))
    study.add_trial(
        create_trial(
            state=TrialState.COMPLETE, value=0.7, user_attrs={"stages": {"finetune": finetune.digest}}
        )
    )


def test_stages_of_a_sweep_of_another_machine_are_kept(
    uri: str, store: StageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both machines call their sweep `demo`."""
    run_sweep_on(tmp_path / "theirs", uri, THEIRS, monkeypatch)
    run_sweep_on(tmp_path / "ours", uri, OURS, monkeypatch)
    found = housekeep(uri, remove=True, min_age_s=0)
    assert [each.path for each in found.leftovers] == [str(NOBODYS)]
    assert found.num_removed == 1 and len(found.sweeps) == 2
    monkeypatch.setenv("HOME", str(tmp_path / "a third machine, which knows no sweep"))
    again = housekeep(uri, remove=True, min_age_s=0)
    assert again.leftovers == () and again.num_stages_kept == 3


def test_a_sweep_that_is_forgotten_keeps_nothing(
    uri: str, store: StageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sweep_on(tmp_path / "theirs", uri, THEIRS, monkeypatch)
    with pytest.raises(SweepError, match="record of sweep demo is on this machine"):
        forget_sweep(uri, "demo")
    monkeypatch.setenv("HOME", str(tmp_path / "ours"))
    with pytest.raises(SweepError, match="no sweep 'other' has left a list"):
        forget_sweep(uri, "other")
    forget_sweep(uri, "demo")
    assert len(housekeep(uri, min_age_s=0).leftovers) == 4


def test_stages_of_a_version_that_left_no_list_are_kept_unless_the_user_insists(
    uri: str, store: StageStore
) -> None:
    storage = Storage(uri)
    for each in (COHORT, OURS, THEIRS, NOBODYS):
        path = f"{storage.root}/stages/{each}/{MANIFEST}"
        content = json.loads(storage.read(path) or b"")
        del content["referenced"], content["sha256"]
        storage.write(path, json.dumps(content | {"sha256": sha256_of_json(content)}).encode())
    unfinished = Stage(name="finetune", config={"which": "unfinished"}, inputs=(), version=1)
    store.save_progress(unfinished, [memoryview(b"epoch 1")])
    found = housekeep(uri, remove=True, min_age_s=0)
    assert found.num_removed == 0 and len(found.leftovers) == 5
    assert "a sweep of another machine may need them: they are kept" in found.sentences()[-1]
    assert housekeep(uri, remove=True, include_unknown=True, min_age_s=0).num_removed == 5
    assert housekeep(uri, min_age_s=0).leftovers == ()


def test_only_new_stages_are_written(uri: str) -> None:
    study = open_study(uri, "demo", create=True)
    references = ReferenceFile(study, uri)
    references.on_update(update(OURS))
    (path,) = (each.path for each in Storage(uri).list_files(f"{Storage(uri).root}/sweeps"))
    Storage(uri).delete(f"{Storage(uri).root}/sweeps/{path}")
    references.on_update(update(OURS))
    assert read_references(Storage(uri)) == ()
    references.on_update(update(THEIRS))
    (found,) = read_references(Storage(uri))
    assert found.all == found.unfinished == {OURS.digest, THEIRS.digest}


def test_a_damaged_list_stops_the_removal(uri: str, store: StageStore) -> None:
    storage = Storage(uri)
    ReferenceFile(open_study(uri, "demo", create=True), uri)
    (path,) = (each.path for each in storage.list_files(f"{storage.root}/sweeps"))
    storage.write(f"{storage.root}/sweeps/{path}", b'{"sweep": "demo"')
    with pytest.raises(StorageError, match=r"references\.json is damaged"):
        housekeep(uri, remove=True, min_age_s=0)
    assert store.find(OURS) is not None


def test_a_local_storage_needs_no_list(tmp_path: Path) -> None:
    study = open_study(str(tmp_path), "demo", create=True)
    ReferenceFile(study, str(tmp_path)).on_update(update(OURS))
    assert [each.name for each in sweep_dir(str(tmp_path), "demo").iterdir()] == ["study.db"]
