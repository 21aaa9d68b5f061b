"""Sweeps whose study or config is damaged: what the commands say, and what `recover` saves."""

from pathlib import Path
from typing import Any

import optuna
import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.errors import SweepError
from crtcore.pipeline import plan, read_sources
from search.results.leaderboard import build_leaderboard
from search.study.attributes import STAGES
from search.study.config import CONFIG_FILE, keep_identity, stored_experiment
from search.study.folder import STUDY_FILE, sweep_dir
from search.study.study import open_study
from search.sweep.recover import recover
from search.sweep.run import run_sweep
from tests.search.sweep_here import sweep_here


@pytest.fixture
def swept(tiny: Experiment) -> Experiment:
    """A finished sweep of three trials, proposed by a sampler that learns."""
    settings = {
        "search.trials": 3,
        "search.sampler": "tpe",
        "search.scheduler": {"name": "none"},
        "search.space": {
            "finetune.learning_rate": {"low": 0.001, "high": 0.1, "log": True},
            "finetune.batch_size": [8, 16],
            "spectrogram.window": ["hann", "hamming"],
        },
    }
    experiment = override(tiny, settings)
    sweep_here(experiment)
    return experiment


def results(experiment: Experiment) -> list[tuple[Any, ...]]:
    trials = open_study(experiment.storage, experiment.name, create=False).get_trials()
    return sorted(
        (STAGES.of(trial)["finetune"], sorted(trial.params.items()), trial.value) for trial in trials
    )


def study_of(experiment: Experiment) -> Path:
    return sweep_dir(experiment.storage, experiment.name) / STUDY_FILE


@pytest.mark.parametrize("damage", ["no database", "half a database", "empty"])
def test_a_damaged_study_is_named_and_recovered_from_the_stage_store(swept: Experiment, damage: str) -> None:
    before, path = results(swept), study_of(swept)
    content = path.read_bytes()
    path.write_bytes({"no database": bytes(4096), "half a database": content[:20480], "empty": b""}[damage])
    with pytest.raises(SweepError, match=f"run `crtsearch recover {swept.name}`"):
        build_leaderboard(swept.storage, swept.name)
    with pytest.raises(SweepError, match=f"run `crtsearch recover {swept.name}`"):
        run_sweep(swept)

    found = recover(swept.storage, swept.name)
    assert found.num_results == 3
    assert Path(found.moved_to).parent == path.parent and found.moved_to in found.sentences()[0]
    run_sweep(swept, address="127.0.0.1:1")  # no Ray answers there, so nothing can be built
    assert results(swept) == before


def test_an_intact_study_is_left_alone(swept: Experiment) -> None:
    with pytest.raises(SweepError, match="there is nothing to recover"):
        recover(swept.storage, swept.name)


def test_stages_of_other_settings_are_not_taken_for_results(swept: Experiment) -> None:
    other = override(swept, {"name": "other", "finetune.weight_decay": 0.5, "search.trials": 1})
    sweep_here(other)
    study_of(swept).unlink()
    assert recover(swept.storage, swept.name).num_results == 3


def test_a_damaged_config_is_named_and_written_again_by_the_sweep(swept: Experiment) -> None:
    before = results(swept)
    path = sweep_dir(swept.storage, swept.name) / CONFIG_FILE
    whole = path.read_text()
    for content in (b"\xff\xfe", b"", b"search: [", b"- 1", whole[: len(whole) // 4].encode()):
        path.write_bytes(content)
        with pytest.raises(SweepError, match=r"config\.yaml is damaged.*delete this file, then run"):
            stored_experiment(swept.storage, swept.name)
        with pytest.raises(SweepError, match=r"config\.yaml is damaged"):
            run_sweep(swept)
    path.unlink()
    run_sweep(swept, address="127.0.0.1:1")
    assert path.read_text() == whole and results(swept) == before


def test_without_its_config_a_sweep_still_refuses_other_data(swept: Experiment) -> None:
    folder = sweep_dir(swept.storage, swept.name)
    (folder / CONFIG_FILE).unlink()
    study = open_study(swept.storage, swept.name, create=False)
    other = override(swept, {"cohort.max_beats_per_recording": 1})
    with pytest.raises(SweepError, match="changed since sweep tiny was started"):
        keep_identity(study, folder, other, plan(other, read_sources(other)))


def test_a_study_that_a_dashboard_renamed_gets_its_name_back(swept: Experiment) -> None:
    """As optuna-dashboard 0.20 renames: a new study with the trials, and the old one deleted."""
    before = results(swept)
    storage = f"sqlite:///{study_of(swept)}"
    old = optuna.load_study(storage=storage, study_name=swept.name)
    new = optuna.create_study(storage=storage, study_name="my best sweep", directions=old.directions)
    new.add_trials(old.get_trials())
    for key, value in old.user_attrs.items():
        new.set_user_attr(key, value)
    optuna.delete_study(storage=storage, study_name=swept.name)
    assert results(swept) == before
    assert build_leaderboard(swept.storage, swept.name).name == swept.name
    run_sweep(swept, address="127.0.0.1:1")
    assert optuna.get_all_study_names(storage) == [swept.name]


def test_a_study_that_is_one_of_several_is_not_guessed(swept: Experiment) -> None:
    storage = f"sqlite:///{study_of(swept)}"
    for name in ("a", "b"):
        optuna.create_study(storage=storage, study_name=name)
    optuna.delete_study(storage=storage, study_name=swept.name)
    with pytest.raises(SweepError, match="holds no study tiny but a, b; if it was renamed"):
        build_leaderboard(swept.storage, swept.name)
