"""What every sampler must do with every scheduler, on a sweep that is run step by step."""

import itertools
import math
import os
from collections import Counter
from pathlib import Path

import pytest
from optuna.trial import TrialState

from search.scheduling.proposer import LOOKAHEAD
from tests.search.fake_sweep import (
    EPOCH_IMAGES,
    EPOCH_S,
    NUM_EPOCHS,
    World,
    commit,
    curve,
    record,
    report_of,
    search_config,
)

SAMPLERS = ("tpe", "gp", "cmaes", "random", "grid")
SCHEDULERS = ("asha", "hyperband", "median", "none")


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only processes die here, not machines, so nothing has to wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module", params=list(itertools.product(SAMPLERS, SCHEDULERS)), ids="-".join)
def ended(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A sweep of 12 trials that ran to its end on three slots."""
    world = World(tmp_path_factory.mktemp("ended"), search_config(*request.param))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)
        world.run(num_slots=3)
    return world


def test_a_sweep_finishes_every_trial_and_a_second_run_adds_nothing(ended: World) -> None:
    assert len(ended.trials) == 12
    states = Counter(trial.state for trial in ended.trials)
    if ended.experiment.search.scheduler.name == "none":
        assert states == {TrialState.COMPLETE: 12}
    else:
        assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    before = record(ended.trials)
    assert ended.run(num_slots=3) == 0  # not one write
    assert record(ended.trials) == before


def test_every_report_is_recorded(ended: World) -> None:
    for trial in ended.trials:
        last = max(trial.intermediate_values)
        expected = {epoch: curve(trial.params, epoch) for epoch in range(1, last + 1)}
        assert trial.intermediate_values == expected
        assert trial.value == expected[last]
        assert (trial.state == TrialState.COMPLETE) == (last == NUM_EPOCHS)


def test_no_stage_is_built_twice_and_no_epoch_is_run_twice(ended: World) -> None:
    assert len({stage.digest for stage in ended.built}) == len(ended.built)
    # A trial with the parameters of one that was pruned starts anew; all others read.
    pruned = {
        trial.user_attrs["stages"]["finetune"] for trial in ended.trials if trial.state.name == "PRUNED"
    }
    assert all(count == 1 for (digest, _), count in ended.epochs_run.items() if digest not in pruned)


def test_computed_and_saved_cost_add_up(ended: World) -> None:
    for trial in ended.trials:
        attrs = trial.user_attrs
        own = ["pretrain", "finetune"] + (["features"] if trial.params["finetune.frozen_groups"] else [])
        num_epochs = {"pretrain": 1, "features": 1, "finetune": len(trial.intermediate_values)}
        built = sum(num_epochs[name] for name in own if name not in attrs["read"])
        read = sum(num_epochs[name] for name in own if name in attrs["read"])
        assert attrs["seconds"] == EPOCH_S * built
        assert attrs["images"] == EPOCH_IMAGES * built
        assert attrs["saved_seconds"] == EPOCH_S * read
        assert attrs["node"] == ("" if "finetune" in attrs["read"] else "here")
    num_built = Counter(stage.name for stage in ended.built)
    assert sum("pretrain" not in trial.user_attrs["read"] for trial in ended.trials) == num_built["pretrain"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_same_seed_same_study(tmp_path: Path, sampler: str) -> None:
    search = search_config(sampler, "asha", trials=14)
    one, two, other = (World(tmp_path / name, search) for name in ("one", "two", "other"))
    other.experiment = other.experiment.model_copy(update={"seed": 4})
    for world in (one, two, other):
        world.run()
    assert record(one.trials) == record(two.trials)
    assert [trial.params for trial in one.trials] != [trial.params for trial in other.trials]


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


def test_trouble_counts_only_if_the_trial_fails_and_then_the_last_is_the_reason(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("random", "none", trials=2))
    session = world.session()
    session.next(1)
    session.report_trouble(0, "lost its node")
    assert session.report(0, report_of("finetune", 1, 2, 0.7), node="there")
    assert session.report(0, report_of("finetune", 1, 2, 0.7), node="there")  # replayed after the restart
    assert not session.report(0, report_of("finetune", 2, 2, 0.7), node="there")
    session.next(1)
    session.report_trouble(1, "lost its node")
    session.report_trouble(1, "lost it again")
    session.fail(1)
    assert session.is_done
    assert [trial.state.name for trial in world.trials] == ["COMPLETE", "FAIL"]
    assert "reason" not in world.trials[0].user_attrs
    assert world.trials[0].user_attrs["seconds"] == 2 * EPOCH_S
    assert world.trials[1].user_attrs["reason"] == "lost it again"


def test_a_grid_ends_with_its_last_point(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("grid", "none", trials=500))
    world.run(num_slots=2)
    points = [tuple(trial.params.values()) for trial in world.trials]
    assert len(points) == len(set(points)) == 2 * 3 * 2


@pytest.mark.parametrize(("sampler", "num_waiting"), [("tpe", LOOKAHEAD * 3), ("grid", 12 - 2)])
def test_no_more_trials_run_than_slots_and_waiting_trials_hold_none(
    tmp_path: Path, sampler: str, num_waiting: int
) -> None:
    world = World(tmp_path, search_config(sampler, "none"))
    session = world.session()
    handed_out = [proposal for _ in range(10) if (proposal := session.next(3)) is not None]
    # One for each depth: all others wait for what these two build, and only so many are drawn ahead.
    assert sorted(proposal.params["pretrain.depth"] for proposal in handed_out) == [18, 34]
    waiting = {update.number for update in world.updates} - {proposal.number for proposal in handed_out}
    assert len(waiting) == num_waiting
    session.report(handed_out[0].number, report_of("finetune", 1, 5, 0.7), node="here")
    assert session.next(3) is None  # its stages are not in the store
    for stage in handed_out[0].stages:
        commit(world.store, stage, handed_out[0].params, num_epochs=NUM_EPOCHS)
    session.report(handed_out[0].number, report_of("finetune", 2, 5, 0.7), node="here")
    third = session.next(3)
    assert third is not None and third.number in waiting
    assert third.params["pretrain.depth"] == handed_out[0].params["pretrain.depth"]
    assert session.next(3) is None


def test_a_point_that_another_sweep_evaluated_costs_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("tpe", "asha", trials=4))
    world.run()
    # The same sweep under another name: all stages that were finished are there, and so is every answer.
    again = World(tmp_path, search_config("tpe", "asha", trials=4))
    session = again.session()
    session.look_ahead()
    num_answered = len(again.trials) - 1 if not session.is_done else len(again.trials)
    assert num_answered == next(
        (trial.number for trial in world.trials if trial.state == TrialState.PRUNED), len(world.trials)
    )
    assert num_answered > 0
    for trial in again.trials[:num_answered]:
        assert trial.state == TrialState.COMPLETE
        assert trial.intermediate_values == {epoch: curve(trial.params, epoch) for epoch in range(1, 6)}
        assert trial.user_attrs["seconds"] == trial.user_attrs["images"] == 0
        assert trial.user_attrs["saved_seconds"] >= EPOCH_S * (NUM_EPOCHS + 1)
        assert world.trials[trial.number].params == trial.params
    assert not again.built and not again.epochs_run


def test_a_sweep_whose_results_are_all_in_the_store_needs_no_cluster(tmp_path: Path) -> None:
    World(tmp_path, search_config("grid", "none")).run(num_slots=2)
    again = World(tmp_path, search_config("grid", "none"))
    session = again.session()
    session.look_ahead()
    assert session.is_done and session.ended_by == "trials"
    assert Counter(trial.state for trial in again.trials) == {TrialState.COMPLETE: 12}


@pytest.mark.parametrize("num_slots", [1, 4])
def test_trials_with_the_same_parameters_do_not_run_at_once(tmp_path: Path, num_slots: int) -> None:
    search = {"trials": 9, "sampler": "random", "space": {"pretrain.depth": [18, 34]}}
    search["scheduler"] = {"name": "none"}
    world = World(tmp_path, search)
    world.run(num_slots=num_slots)
    assert all(count == 1 for count in world.epochs_run.values())
    assert len(world.epochs_run) == 2 * NUM_EPOCHS
    assert all(trial.state == TrialState.COMPLETE for trial in world.trials)


def test_a_pruned_trial_leaves_no_checkpoint(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("random", "asha"))
    world.run(num_slots=2)
    assert any(trial.state == TrialState.PRUNED for trial in world.trials)
    assert not list(tmp_path.rglob("*.progress*"))


def test_several_objectives_have_curves_and_values_and_keep_a_bound(tmp_path: Path) -> None:
    search = search_config("tpe", "none", trials=14) | {"objectives": ["auc", "trainable_parameters"]}
    search["space"]["pretrain.depth"] = [18, 34, 50]
    world = World(tmp_path, search | {"constraints": {"trainable_parameters": 40}})
    world.run(num_slots=2)
    for trial in world.trials:
        depth = trial.params["pretrain.depth"]  # here it stands for the number of parameters
        assert depth <= 40
        assert trial.values == [curve(trial.params, NUM_EPOCHS), float(depth)]
        assert trial.intermediate_values == {
            epoch: curve(trial.params, epoch) for epoch in range(1, NUM_EPOCHS + 1)
        }
    front = {trial.params["pretrain.depth"] for trial in world.study.best_trials}
    assert front == {18, 34}


def test_a_proposed_trial_waits_until_it_is_handed_out(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("grid", "none"))
    session = world.session()
    session.next(2)
    session.next(2)
    session.next(2)
    states = Counter(trial.state for trial in world.trials)
    assert states[TrialState.RUNNING] == 2 and states[TrialState.WAITING] > 0
    session.close()
    assert {trial.state for trial in world.trials} == {TrialState.WAITING}
    assert session.ended_by == "interrupted"
