"""The contract of every sampler with every scheduler, on a sweep that is run step by step and killed
anywhere.
"""

import itertools
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from search.session import LOOKAHEAD
from tests.search.fake_sweep import NUM_EPOCHS, Killed, World, curve, record, report_of, search_config

SAMPLERS = ("tpe", "random", "grid")
SCHEDULERS = ("asha", "none")


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes die here, machines do not: waiting for the disk would only make the tests slow."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(params=list(itertools.product(SAMPLERS, SCHEDULERS)), ids="-".join)
def search(request: pytest.FixtureRequest) -> dict[str, Any]:
    return search_config(*request.param)


def test_a_sweep_finishes_every_trial_and_a_second_run_adds_nothing(
    tmp_path: Path, search: dict[str, Any]
) -> None:
    world = World(tmp_path, search)
    world.run(num_slots=3)
    assert len(world.trials) == 12
    before = record(world.trials)
    states = Counter(trial.state for trial in world.trials)
    if search["scheduler"]["name"] == "none":
        assert states == {TrialState.COMPLETE: 12}
    else:
        assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    assert world.run(num_slots=3) == 0  # not one write
    assert record(world.trials) == before


def test_same_seed_same_study(tmp_path: Path, search: dict[str, Any]) -> None:
    one, two, other = (World(tmp_path / name, search) for name in ("one", "two", "other"))
    other.experiment = other.experiment.model_copy(update={"seed": 4})
    for world in (one, two, other):
        world.run()
    assert record(one.trials) == record(two.trials)
    assert [trial.params for trial in one.trials] != [trial.params for trial in other.trials]


def test_reports_are_recorded_whole(tmp_path: Path, search: dict[str, Any]) -> None:
    world = World(tmp_path, search)
    world.run(num_slots=2)
    for trial in world.trials:
        last = max(trial.intermediate_values)
        expected = {epoch: curve(trial.params, epoch) for epoch in range(1, last + 1)}
        assert trial.intermediate_values == expected
        assert trial.value == expected[last]
        assert (trial.state == TrialState.COMPLETE) == (last == NUM_EPOCHS)
        assert trial.user_attrs["node"] == "here"
        assert trial.user_attrs["seconds"] >= 0.5 * last


def test_no_stage_is_built_twice_and_no_epoch_is_run_twice(tmp_path: Path, search: dict[str, Any]) -> None:
    world = World(tmp_path, search)
    world.run(num_slots=4)
    assert len({stage.digest for stage in world.built}) == len(world.built)
    # A trial with the parameters of one that was pruned starts anew; all others read.
    pruned = {
        trial.user_attrs["stages"]["finetune"] for trial in world.trials if trial.state.name == "PRUNED"
    }
    assert all(count == 1 for (digest, _), count in world.epochs_run.items() if digest not in pruned)


@pytest.mark.parametrize(
    ("sampler", "scheduler", "stride"),
    # Every moment for one pair; the others differ in few of them.
    [("random", "asha", 1), ("tpe", "asha", 11), ("grid", "asha", 11), ("random", "none", 11)],
)
def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(
    tmp_path: Path, sampler: str, scheduler: str, stride: int
) -> None:
    search = search_config(sampler, scheduler, trials=3)
    whole = World(tmp_path / "whole", search)
    num_moments = whole.run()
    assert num_moments > 50
    for moment in range(1, num_moments + 1, stride):
        world = World(tmp_path / str(moment), search)
        with pytest.raises(Killed):
            world.run(dies_at=moment)
        world.run()
        assert record(world.trials) == record(whole.trials), f"killed at moment {moment}"


def test_killed_again_and_again_after_the_random_start_of_tpe(tmp_path: Path) -> None:
    search = search_config("tpe", "asha", trials=16)
    whole = World(tmp_path / "whole", search)
    num_moments = whole.run()
    world = World(tmp_path / "killed", search)
    num_deaths = 0
    while True:
        try:
            world.run(dies_at=num_moments // 7)
            break
        except Killed:
            num_deaths += 1
    assert num_deaths >= 5
    assert record(world.trials) == record(whole.trials)


def test_orphaned_trials_are_adopted_first_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("random", "none"))
    with pytest.raises(Killed):
        world.run(num_slots=4, dies_at=60)
    orphans = [trial.number for trial in world.trials if trial.state == TrialState.RUNNING]
    assert len(orphans) >= 4
    world.updates.clear()
    world.run(num_slots=1)
    first_seen = dict.fromkeys(update.number for update in world.updates if update.state == "RUNNING")
    assert sorted(list(first_seen)[: len(orphans)]) == orphans
    assert [trial.number for trial in world.trials] == list(range(12))


def test_a_metric_that_is_not_finite_fails_the_trial_with_the_reason(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("random", "asha", trials=2))
    session = world.session()
    proposal = session.next(1)
    assert proposal is not None
    assert session.report(0, report_of("finetune", 1, NUM_EPOCHS, 0.7), node="here")
    assert not session.report(0, report_of("finetune", 2, NUM_EPOCHS, math.nan), node="here")
    assert not session.is_running(0)
    trial = world.trials[0]
    assert trial.state == TrialState.FAIL
    assert trial.intermediate_values == {1: 0.7}
    assert trial.user_attrs["reason"] == "auc is nan after epoch 2"
    assert world.updates[-1].state == "FAIL" and "nan" in world.updates[-1].message


def test_trouble_that_is_overcome_leaves_no_trace_and_the_last_one_is_the_reason(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("random", "none", trials=2))
    session = world.session()
    session.next(1)
    session.trouble(0, "lost its node")
    session.report(0, report_of("finetune", 1, 1, 0.7), node="there")
    session.report(0, report_of("finetune", 1, 1, 0.7), node="there")  # replayed after the restart
    session.complete(0)
    session.next(1)
    session.trouble(1, "lost its node")
    session.trouble(1, "lost it again")
    session.fail(1)
    assert session.is_done
    assert [trial.state.name for trial in world.trials] == ["COMPLETE", "FAIL"]
    assert "reason" not in world.trials[0].user_attrs
    assert world.trials[0].user_attrs["seconds"] == 0.5
    assert world.trials[1].user_attrs["reason"] == "lost it again"


def test_a_halted_sweep_keeps_its_trials_for_the_next_run(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("random", "none", trials=2))
    session = world.session()
    session.next(1)
    session.halt(0, "stage pretrain/abc is damaged")
    assert session.halted == "trial 0: stage pretrain/abc is damaged"
    assert not session.is_done
    assert [trial.state for trial in world.trials] == [TrialState.RUNNING]
    world.run()
    assert [trial.state for trial in world.trials] == [TrialState.COMPLETE] * 2


def test_a_defect_halts_the_sweep_before_it_fails_all_trials(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("random", "none", trials=9))
    session = world.session()
    for number, reason in enumerate(["lost node a", "no GPU", "no GPU", "", "no GPU", "no GPU", "no GPU"]):
        assert not session.halted
        session.next(1)
        session.trouble(number, reason)
        session.fail(number, "" if reason else "auc is nan after epoch 1")
    assert session.halted == "3 trials in a row failed alike: no GPU"
    assert Counter(trial.state for trial in world.trials) == {TrialState.FAIL: 7}


def test_more_trials_go_on_where_the_sweep_ended_and_fewer_end_it(tmp_path: Path) -> None:
    whole = World(tmp_path / "whole", search_config("tpe", "asha"))
    whole.run()
    world = World(tmp_path / "grown", search_config("tpe", "asha", trials=5))
    world.run()
    assert len(world.trials) == 5
    world.experiment = whole.experiment
    world.run()
    assert record(world.trials) == record(whole.trials)
    world.experiment = World(tmp_path / "fewer", search_config("tpe", "asha", trials=3)).experiment
    assert world.session().is_done


def test_a_grid_ends_with_its_last_point(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("grid", "none", trials=500))
    world.run(num_slots=2)
    points = [tuple(trial.params.values()) for trial in world.trials]
    assert len(points) == len(set(points)) == 2 * 3 * 2


def test_slots_are_never_overfilled_and_waiting_trials_hold_none(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("grid", "none"))
    session = world.session()
    handed_out = [proposal for _ in range(10) if (proposal := session.next(3)) is not None]
    # One for each depth: all others wait for what these two build, and only so many are drawn ahead.
    assert sorted(proposal.params["pretrain.depth"] for proposal in handed_out) == [18, 34]
    waiting = {update.number for update in world.updates} - {proposal.number for proposal in handed_out}
    assert len(waiting) == LOOKAHEAD * 3
    session.report(handed_out[0].number, report_of("finetune", 1, 5, 0.7), node="here")
    assert session.next(3) is None  # its stages are not in the store
    for stage in handed_out[0].stages:
        world.store.commit(stage, {}, {})
    session.report(handed_out[0].number, report_of("finetune", 2, 5, 0.7), node="here")
    third = session.next(3)
    assert third is not None and third.number in waiting
    assert third.params["pretrain.depth"] == handed_out[0].params["pretrain.depth"]
    assert session.next(3) is None


def test_trials_with_the_same_parameters_do_not_run_at_once(tmp_path: Path) -> None:
    search = {"trials": 6, "sampler": "random", "space": {"pretrain.depth": [18, 34]}}
    search["scheduler"] = {"name": "none"}
    world = World(tmp_path, search)
    world.run(num_slots=4)
    assert all(count == 1 for count in world.epochs_run.values())
    assert len(world.epochs_run) == 2 * NUM_EPOCHS
    assert all(trial.state == TrialState.COMPLETE for trial in world.trials)


def test_an_early_end_frees_the_disk(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("random", "asha"))
    world.run(num_slots=2)
    assert any(trial.state == TrialState.PRUNED for trial in world.trials)
    assert not list(tmp_path.rglob("*.progress*"))
