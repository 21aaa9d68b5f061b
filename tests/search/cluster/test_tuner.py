"""A session run by Ray Tune. tests/search/sweep/test_run.py runs and kills whole sweeps."""

import functools
from pathlib import Path

import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.sources import Sources
from crtcore.errors import SweepError
from crtcore.pipeline import open_store, plan, prepare, read_sources
from search.cluster.tuner import run_on_ray
from search.scheduling.session import Session
from search.study.attributes import NODE, RAY_DASHBOARD, REUSED
from search.study.study import open_study
from search.study.update import TrialUpdate

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("one_ray")]


def session(experiment: Experiment, sources: Sources, updates: list[TrialUpdate]) -> Session:
    store = open_store(experiment)
    return Session(
        open_study(experiment.storage, experiment.name, create=True),
        experiment,
        store=store,
        plan_of=functools.partial(plan, sources=sources),
        prepare=functools.partial(prepare, store),
        listeners=[updates.append],
    )


def test_a_session_is_run_to_its_end(tiny: Experiment) -> None:
    search = {
        "trials": 2,
        "sampler": "random",
        "scheduler": {"name": "none"},
        "space": {"finetune.learning_rate": {"low": 1e-3, "high": 1e-2}},
    }
    experiment, updates = override(tiny, {"search": search}), list[TrialUpdate]()
    sources = read_sources(experiment)
    made = session(experiment, sources, updates)
    run_on_ray(made, experiment, sources, address=None)
    assert made.is_done and made.ended_by == "trials"
    trials = made.study.get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE", "COMPLETE"]
    assert all(len(trial.intermediate_values) == experiment.finetune.epochs for trial in trials)
    assert all(NODE.of(trial) for trial in trials)
    assert sorted(REUSED.of(trial) or [] for trial in trials) == [[], ["pretrain", "features"]]
    assert RAY_DASHBOARD.of(made.study).startswith("http://127.0.0.1:")
    assert {update.number for update in updates if update.state == "COMPLETE"} == {0, 1}


def test_a_trial_that_fits_nowhere_fails_before_it_is_handed_out(tiny: Experiment, tmp_path: Path) -> None:
    experiment = override(tiny, {"resources.trial.cpus": 10000, "search.trials": 1})
    updates: list[TrialUpdate] = []
    made = session(experiment, read_sources(experiment), updates)
    with pytest.raises(SweepError, match="no node has 10000 CPUs"):
        run_on_ray(made, experiment, read_sources(experiment), address=None)
    assert updates == [] and made.study.get_trials() == []
