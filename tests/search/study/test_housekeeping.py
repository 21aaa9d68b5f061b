"""What is kept and what goes, in a storage with two sweeps that share a pretraining."""

import json
import os
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial

from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from search.study.attributes import DIGESTS
from search.study.housekeeping import housekeep
from search.study.study import open_study

DAY_S = 24 * 3600.0


def stage(name: str, which: str, *inputs: Stage) -> Stage:
    return Stage(name=name, config={"which": which}, inputs=tuple(each.digest for each in inputs), version=1)


SHARD = stage("shard", "a")
COHORT = stage("prepare", "cohort")
PRETRAIN, OTHER_PRETRAIN = stage("pretrain", "a", COHORT), stage("pretrain", "b", COHORT)
ONE, TWO, ORPHAN = (stage("finetune", which, PRETRAIN, COHORT) for which in ("one", "two", "orphan"))
STAGES = (SHARD, COHORT, PRETRAIN, OTHER_PRETRAIN, ONE, TWO, ORPHAN)


def sweep(storage: Path, name: str, *trials: tuple[TrialState, Stage]) -> None:
    study = open_study(str(storage), name, create=True)
    DIGESTS.write(study, {"cohort": COHORT.digest})
    for state, finetune in trials:
        stages = {"pretrain": PRETRAIN.digest, "features": None, "finetune": finetune.digest}
        value = 0.7 if state == TrialState.COMPLETE else None
        study.add_trial(create_trial(state=state, value=value, user_attrs={"stages": stages}))


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """Everything in it is two days old."""
    store = StageStore(str(tmp_path), cache=tmp_path / "cache")
    for each in STAGES:
        facts = {"shards": [{"digest": SHARD.digest}]} if each == COHORT else {}
        store.commit(each, {"data": bytes(1000)}, facts)
    unfinished, dead = stage("finetune", "unfinished", PRETRAIN), stage("finetune", "dead", PRETRAIN)
    for each in (unfinished, dead):
        store.save_progress(each, [memoryview(bytes(500))])
    cut_short = tmp_path / "stages" / "pretrain" / f".tmp-{PRETRAIN.digest}-0123abcd"
    cut_short.mkdir()
    (cut_short / "data").write_bytes(bytes(300))
    for path in tmp_path.rglob("*"):
        os.utime(path, (time.time() - 2 * DAY_S,) * 2)
    sweep(tmp_path, "first", (TrialState.COMPLETE, ONE), (TrialState.WAITING, unfinished))
    sweep(tmp_path, "second", (TrialState.COMPLETE, TWO), (TrialState.PRUNED, dead))
    return tmp_path


def test_what_no_sweep_refers_to_is_listed_and_removed_only_on_request(storage: Path) -> None:
    found = housekeep(str(storage))
    assert found.sweeps == ("first", "second")
    dead = stage("finetune", "dead", PRETRAIN)
    assert {(leftover.kind, leftover.path) for leftover in found.leftovers} == {
        ("stage", f"finetune/{ORPHAN.digest}"),
        ("stage", f"pretrain/{OTHER_PRETRAIN.digest}"),
        ("checkpoint", f"finetune/{dead.digest}.progress"),
        ("unfinished stage", f"pretrain/.tmp-{PRETRAIN.digest}-0123abcd"),
    }
    assert found.num_stages_kept == 5
    assert "look through the list" in found.sentences()[1]
    assert [leftover["num_bytes"] for leftover in json.loads(found.to_json())["leftovers"]].count(500) == 1

    removed = housekeep(str(storage), remove=True)
    assert removed.num_removed == 4
    assert [leftover.path for leftover in removed.leftovers] == [
        leftover.path for leftover in found.leftovers
    ]
    assert "Removed 4 leftovers" in removed.sentences()[1]
    again = housekeep(str(storage))
    assert again.leftovers == () and again.num_stages_kept == 5
    assert again.sentences()[1] == "Nothing else is there that could be removed."
    store = StageStore(str(storage), cache=storage / "cache")
    assert all(store.path(each, "data").is_file() for each in (SHARD, COHORT, PRETRAIN, ONE, TWO))
    assert store.find(ORPHAN) is None
    assert store.load_progress(stage("finetune", "unfinished", PRETRAIN)) is not None


def test_young_leftovers_may_be_work_in_progress(storage: Path) -> None:
    StageStore(str(storage), cache=storage / "cache").commit(stage("finetune", "new", PRETRAIN), {}, {})
    assert len(housekeep(str(storage)).leftovers) == 4
    assert len(housekeep(str(storage), min_age_s=0).leftovers) == 5
    assert len(housekeep(str(storage), min_age_s=3 * DAY_S).leftovers) == 0


def test_an_empty_storage_is_clean(tmp_path: Path) -> None:
    found = housekeep(str(tmp_path / "nothing"))
    assert (found.sweeps, found.leftovers, found.num_bytes_kept) == ((), (), 0)
