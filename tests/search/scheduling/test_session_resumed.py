"""Sweeps that are killed, halted or finished, and then run again."""

import os
from collections import Counter
from pathlib import Path

import pytest
from optuna.trial import TrialState

from crtcore.errors import DataError
from crtcore.pipeline import Plan
from tests.search.fake_sweep import Killed, World, record, search_config


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only processes die here, not machines, so nothing has to wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.mark.parametrize(
    ("sampler", "scheduler", "stride"),
    # Every moment for one pair; the others differ in few of them.
    [
        ("random", "asha", 1),
        ("tpe", "hyperband", 11),
        ("gp", "median", 11),
        ("cmaes", "asha", 11),
        ("grid", "asha", 11),
        ("random", "none", 11),
    ],
)
def test_a_sweep_killed_at_any_moment_ends_as_if_it_had_not_been_killed(
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


def test_a_sweep_of_equal_trials_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    """Some wait for one of them and finish together, while others are still to run."""
    search = {"trials": 9, "sampler": "random", "scheduler": {"name": "none"}}
    search["space"] = {"pretrain.depth": [18, 34]}
    whole = World(tmp_path / "whole", search)
    num_moments = whole.run()
    for moment in range(1, num_moments + 1):
        world = World(tmp_path / str(moment), search)
        with pytest.raises(Killed):
            world.run(dies_at=moment)
        world.run()
        assert record(world.trials) == record(whole.trials), f"killed at moment {moment}"


@pytest.mark.parametrize(("sampler", "scheduler"), [("tpe", "asha"), ("gp", "none"), ("cmaes", "none")])
def test_a_sweep_may_be_killed_many_times_after_its_random_start(
    tmp_path: Path, sampler: str, scheduler: str
) -> None:
    search = search_config(sampler, scheduler, trials=16)
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


def test_unfinished_trials_are_resumed_first(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("random", "none"))
    with pytest.raises(Killed):
        world.run(num_slots=4, dies_at=60)
    orphans = [trial.number for trial in world.trials if not trial.state.is_finished()]
    assert len(orphans) >= 4
    world.updates.clear()
    world.run(num_slots=1)
    first_seen = dict.fromkeys(update.number for update in world.updates if update.state == "RUNNING")
    assert sorted(list(first_seen)[: len(orphans)]) == orphans
    assert [trial.number for trial in world.trials] == list(range(12))


def test_a_halted_sweep_keeps_its_trials_for_the_next_run(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("tpe", "none", trials=2))
    session = world.session()
    session.next(1)
    session.halt(0, "stage pretrain/abc is damaged")
    assert session.halted == "trial 0: stage pretrain/abc is damaged"
    assert not session.is_done
    assert [trial.state for trial in world.trials] == [TrialState.RUNNING]
    world.run()
    assert [trial.state for trial in world.trials] == [TrialState.COMPLETE] * 2


def test_one_cause_of_failure_halts_the_sweep_before_all_trials_fail(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("random", "none", trials=9))
    session = world.session()
    for reason in ("lost node a", "no GPU", "no GPU", "", "no GPU", "no GPU", "no GPU"):
        assert not session.halted
        proposal = session.next(1)
        assert proposal is not None
        session.report_trouble(proposal.number, reason)
        session.fail(proposal.number, "" if reason else "auc is nan after epoch 1")
    assert session.halted == "3 trials in a row failed; first fix this cause: no GPU"
    assert Counter(trial.state for trial in world.trials)[TrialState.FAIL] == 7


def test_a_finished_sweep_resumes_with_more_trials_and_not_with_fewer(tmp_path: Path) -> None:
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


def test_given_points_come_first_even_in_a_resumed_sweep(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("tpe", "none", trials=4))
    world.first = [{"pretrain.depth": 34, "finetune.learning_rate": 0.005}]
    with pytest.raises(Killed):
        world.run(dies_at=40)
    world.run()
    assert world.trials[0].params["finetune.learning_rate"] == 0.005
    assert [trial.params["finetune.learning_rate"] for trial in world.trials].count(0.005) == 1


def test_unusable_data_end_the_sweep_and_leave_no_trial(tmp_path: Path) -> None:
    world = World(tmp_path, search_config("random", "none"))

    def refuse(plan: Plan) -> None:
        raise DataError("records/p17.dat is cut short; copy it again, or leave p17 out of the manifest")

    prepare, world.prepare = world.prepare, refuse
    session = world.session()
    with pytest.raises(DataError, match=r"p17\.dat"):
        session.look_ahead()
    session.close()
    assert not world.trials and session.ended_by == "interrupted"
    world.prepare = prepare
    world.run()
    assert len(world.trials) == 12
