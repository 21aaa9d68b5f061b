"""Budgets of a sweep that is run step by step, on a clock that the test moves."""

import os
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from crtcore.configfile import override
from crtcore.errors import ConfigError
from search.study.attributes import ELAPSED_S, ENDED_BY
from tests.search.fake_sweep import EPOCH_S, NUM_EPOCHS, World, record, search_config


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def world(folder: Path, budget: dict[str, Any], *, gpus: float = 0.0) -> World:
    made = World(folder, search_config("random", "none", trials=6) | budget)
    made.experiment = override(made.experiment, {"resources.trial.gpus": gpus})
    return made


def test_when_time_is_used_up_running_stages_end_and_no_new_one_starts(tmp_path: Path) -> None:
    whole = world(tmp_path / "whole", {})
    whole.run(num_slots=2)
    sweep = world(tmp_path / "cut", {"wall_clock": 20.0})
    sweep.run(num_slots=2)
    states = [trial.state for trial in sweep.trials]
    num_complete = states.count(TrialState.COMPLETE)
    assert 0 < num_complete < 6
    assert set(states) == {TrialState.COMPLETE, TrialState.WAITING}
    assert ENDED_BY.of(sweep.study) == "wall_clock"
    assert ELAPSED_S.of(sweep.study) >= 20
    # No stage is half done: what was begun is in the store.
    assert not list(tmp_path.rglob("*.progress*"))
    assert sweep.run(num_slots=2) == 0  # no budget is left
    # Extended, it ends as if it had never been cut.
    sweep.experiment = override(sweep.experiment, {"search.wall_clock": "1h"})
    sweep.run(num_slots=2)
    assert ENDED_BY.of(sweep.study) == "trials"
    assert record(sweep.trials) == record(whole.trials)
    assert max(sweep.epochs_run.values()) == 1


def test_gpu_hours_count_what_trials_computed(tmp_path: Path) -> None:
    budget_s = 2.5 * (NUM_EPOCHS + 2) * EPOCH_S
    sweep = world(tmp_path, {"gpu_hours": 0.5 * budget_s / 3600}, gpus=0.5)
    sweep.run()
    assert ENDED_BY.of(sweep.study) == "gpu_hours"
    used = [trial.user_attrs["gpu_seconds"] for trial in sweep.trials if trial.state.is_finished()]
    seconds = [trial.user_attrs["seconds"] for trial in sweep.trials if trial.state.is_finished()]
    assert used == [0.5 * each for each in seconds]
    assert 0 < len(used) < 6
    assert sweep.run() == 0
    sweep.experiment = override(sweep.experiment, {"search.gpu_hours": 1})
    sweep.run()
    assert [trial.state for trial in sweep.trials] == [TrialState.COMPLETE] * 6


def test_a_trial_is_suspended_between_its_stages(tmp_path: Path) -> None:
    sweep = world(tmp_path, {"wall_clock": 0.5})
    sweep.run()
    assert [stage.name for stage in sweep.built] == ["prepare", "prepare", "pretrain"]
    assert {trial.state for trial in sweep.trials} == {TrialState.WAITING}
    assert sweep.updates[-1].message == "search.wall_clock is used up"


def test_gpu_hours_without_a_gpu_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"search\.gpu_hours is set, but a trial uses no GPU"):
        world(tmp_path, {"gpu_hours": 5}).session()
