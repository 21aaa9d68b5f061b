from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from crtcore.config import Experiment
from crtcore.errors import ConfigError, SweepError
from search.scheduling.sampling.space import distributions
from search.scheduling.sampling.warm_start import first_points
from search.study.study import open_study

SPACE = {
    "pretrain.depth": [18, 34],
    "finetune.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "finetune.frozen_groups": {"low": 3, "high": 5},
}
GOOD = {"pretrain.depth": 34, "finetune.learning_rate": 5e-3, "finetune.frozen_groups": 5}
POOR = {"pretrain.depth": 18, "finetune.learning_rate": 2e-4, "finetune.frozen_groups": 3}


def sweep(storage: Path, name: str, **search: Any) -> tuple[optuna.Study, Experiment]:
    experiment = Experiment.model_validate(
        {
            "name": name,
            "storage": str(storage),
            "arrhythmia": {"database": "none"},
            "cohort": {"manifest": "none"},
            "search": {"space": SPACE} | search,
        }
    )
    return open_study(str(storage), name, create=True), experiment


def finished(params: dict[str, Any], value: float | None) -> optuna.trial.FrozenTrial:
    search = Experiment.model_validate(
        {"name": "x", "arrhythmia": {"database": ""}, "cohort": {"manifest": ""}, "search": {"space": SPACE}}
    ).search
    state = TrialState.FAIL if value is None else TrialState.COMPLETE
    return create_trial(state=state, params=params, distributions=distributions(search), value=value)


@pytest.fixture
def other(tmp_path: Path) -> optuna.Study:
    study, _ = sweep(tmp_path, "other")
    study.add_trials([finished(POOR, 0.6), finished(GOOD, 0.7), finished(POOR, None)])
    return study


def test_the_best_point_comes_first_and_stays_when_the_sweep_is_resumed(
    tmp_path: Path, other: optuna.Study
) -> None:
    study, experiment = sweep(tmp_path, "new")
    assert first_points(study, experiment, None) == []
    assert first_points(study, experiment, "other") == [GOOD]
    other.add_trial(finished(POOR, 0.9))  # too late to change the first points
    study.add_trial(finished(GOOD, 0.7))
    assert first_points(study, experiment, None) == [GOOD]
    assert first_points(study, experiment, "other") == [GOOD]
    with pytest.raises(SweepError, match="sweep new was started with --warm-start other"):
        first_points(study, experiment, "third")


@pytest.mark.usefixtures("other")
def test_what_this_sweep_does_not_search_is_left_to_the_sampler(tmp_path: Path) -> None:
    space = {
        "pretrain.depth": [18, 50],  # 34 is not in it
        "finetune.learning_rate": {"low": 1e-6, "high": 1e-1, "log": True},
        "finetune.batch_size": [64, 128],  # the other sweep did not search it
    }
    study, experiment = sweep(tmp_path, "new", space=space)
    assert first_points(study, experiment, "other") == [{"finetune.learning_rate": 5e-3}]


@pytest.mark.usefixtures("other")
def test_a_warm_start_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    study, experiment = sweep(tmp_path, "new", space={"finetune.batch_size": [64, 128]})
    with pytest.raises(SweepError, match=r"search\.space holds no parameter of its best trial"):
        first_points(study, experiment, "other")
    with pytest.raises(SweepError, match="no sweep 'nobody'"):
        first_points(study, experiment, "nobody")
    with pytest.raises(SweepError, match="has no complete trial yet"):
        first_points(study, experiment, "new")
    study, experiment = sweep(tmp_path, "grid", sampler="grid", space={"pretrain.depth": [18, 34]})
    with pytest.raises(ConfigError, match="visits every point; leave it out"):
        first_points(study, experiment, "other")
    study.add_trial(finished(POOR, 0.6))
    _, plain = sweep(tmp_path, "plain")
    with pytest.raises(SweepError, match="was started without --warm-start"):
        first_points(study, plain, "other")
