"""The config beside a study, and what makes two runs the same sweep."""

from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.trial import create_trial

from crtcore.config import Experiment
from crtcore.configfile import load_experiment, override
from crtcore.data.prepare import ShardSet
from crtcore.errors import SweepError
from crtcore.pipeline import Plan
from crtcore.stages.stage import Stage
from search.study.config import keep_identity, stored_experiment


def plan(*, data: str = "a", code: int = 1) -> Plan:
    def stage(name: str, version: int = 1) -> Stage:
        return Stage(name=name, config={"data": data}, inputs=(), version=version)

    return Plan(
        arrhythmia_set=ShardSet(stage=stage("arrhythmia"), jobs=()),
        cohort_set=ShardSet(stage=stage("cohort"), jobs=()),
        pretrain=stage("pretrain"),
        features=None,
        finetune=stage("finetune", code),
    )


class Sweep:
    def __init__(self, storage: Path) -> None:
        self.experiment = Experiment.model_validate(
            {
                "name": "demo",
                "storage": str(storage),
                "arrhythmia": {"database": "mitdb"},
                "cohort": {"manifest": "cohort.csv"},
                "search": {"space": {"finetune.learning_rate": {"low": 0.1, "high": 0.2}}},
            }
        )
        self.folder = storage / "demo"
        self.folder.mkdir()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study = optuna.create_study()

    def keep(self, changes: dict[str, Any] | None = None, plan: Plan = plan()) -> None:  # noqa: B008  # frozen
        keep_identity(self.study, self.folder, override(self.experiment, changes or {}), plan)


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """A sweep that was started and has a trial."""
    made = Sweep(tmp_path)
    made.keep()
    made.study.add_trial(create_trial(value=0.7))
    return made


def test_the_stored_config_can_be_run_again(sweep: Sweep) -> None:
    assert load_experiment(sweep.folder / "config.yaml").search == sweep.experiment.search
    sweep.keep()


def test_settings_that_change_no_result_may_change(sweep: Sweep) -> None:
    changes = {
        "data": Path("elsewhere"),
        "cache": Path("elsewhere"),
        "cohort.manifest": Path("elsewhere/cohort.csv"),
        "cohort.note": "Stand-in data.",
        "cohort.class_names": ("normal", "ill"),
        "resources.trial": {"cpus": 4, "gpus": 2},
        "resources.pretrain.gpus": 2,
        "resources.max_failures": 0,
        "search.trials": 99,
        "search.wall_clock": "2h",
        "search.gpu_hours": 5,
    }
    sweep.keep(changes)
    stored = yaml.safe_load((sweep.folder / "config.yaml").read_text())
    assert stored["search"]["trials"] == 99


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", 5, "seed was 0 and is now 5"),
        ("finetune.epochs", 3, "finetune.epochs was 10 and is now 3"),
        ("search.scheduler.name", "none", "search.scheduler.name was 'asha' and is now 'none'"),
        ("cohort.leads", ["II"], r"cohort.leads was None and is now \['II'\]"),
    ],
)
def test_other_settings_make_another_sweep(sweep: Sweep, key: str, value: Any, message: str) -> None:
    with pytest.raises(SweepError, match=f"{message}; set them back, or start another sweep with --name"):
        sweep.keep({key: value})
    sweep.keep()  # the stored config is still the old one


def test_another_search_space_makes_another_sweep(sweep: Sweep) -> None:
    space = {"finetune.learning_rate": {"low": 0.1, "high": 0.3}, "pretrain.depth": [18]}
    with pytest.raises(SweepError, match=r"learning_rate.high was 0.2 and is now 0.3; .*depth was None"):
        sweep.keep({"search.space": space})


def test_other_data_or_code_make_another_sweep(sweep: Sweep) -> None:
    with pytest.raises(
        SweepError, match=r"recordings of the arrhythmia database .* changed since sweep demo"
    ):
        sweep.keep(plan=plan(data="b"))
    with pytest.raises(SweepError, match="the way this version of crtsearch trains changed since"):
        sweep.keep(plan=plan(code=2))


def test_before_the_first_trial_everything_may_change(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.keep()
    sweep.keep({"seed": 5}, plan(data="b"))
    sweep.study.add_trial(create_trial(value=0.7))
    sweep.keep({"seed": 5}, plan(data="b"))


def test_a_key_that_this_version_added_gets_its_default(sweep: Sweep) -> None:
    path = sweep.folder / "config.yaml"
    stored = yaml.safe_load(path.read_text())
    del stored["search"]["objectives"], stored["search"]["scheduler"]["startup_trials"]
    path.write_text(yaml.safe_dump(stored))
    sweep.keep()
    stored["search"]["sampler"] = "random"
    path.write_text(yaml.safe_dump(stored))
    with pytest.raises(SweepError, match=r"search.sampler was 'random' and is now 'tpe'"):
        sweep.keep()


def test_a_study_of_another_sweep_is_not_touched(sweep: Sweep) -> None:
    (sweep.folder / "config.yaml").unlink()
    (sweep.folder / "study.url").write_text("postgresql://shared")
    with pytest.raises(SweepError, match="belongs to another sweep"):
        sweep.keep()


def test_the_stored_experiment_has_the_storage_where_it_lies_now(
    finished: Experiment, tmp_path: Path
) -> None:
    assert stored_experiment(finished.storage, finished.name) == finished
    moved = tmp_path / "moved"
    moved.symlink_to(finished.storage)
    expected = override(finished, {"storage": str(moved)})
    assert stored_experiment(str(moved), finished.name) == expected


def test_a_sweep_without_a_stored_config_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match=r"sweep young has no .*config.yaml; run the same `crtsearch sweep`"):
        stored_experiment(str(tmp_path), "young")
