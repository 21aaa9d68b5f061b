"""Nothing stored becomes invalid: a finished sweep of commit 902006b is read, not computed again."""

import json
import re
from pathlib import Path

import pytest
from optuna.trial import TrialState
from typer.testing import CliRunner

from crtcore.config import Experiment
from crtcore.configfile import load_experiment, override
from crtcore.pipeline import open_store, plan, read_sources
from crtcore.prediction.refit import refit_stage
from crtcore.simulation.write import simulate
from search.cli.main import app
from search.study.study import open_study
from search.sweep.stage_counts import stage_counts
from tests.legacy_sweep import CONFIG, LEGACY, NAME, copy_legacy_sweep

NUMBER = re.compile(r"\d+\.\d+|\d+")


@pytest.fixture(scope="module")
def legacy_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `crtsearch simulate` writes: the same bytes as at 902006b, or no digest below is found."""
    folder = tmp_path_factory.mktemp("legacy") / "simulated"
    simulate(folder)
    return folder


@pytest.fixture
def legacy(legacy_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """The experiment of the stored sweep. The current folder holds `storage` and `data/simulated`."""
    copy_legacy_sweep(tmp_path, legacy_data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    return load_experiment(CONFIG)


def tables(printed: str) -> list[str]:
    """The rows of both tables, without the caption and the sentences."""
    lines = printed[: printed.index("Best of")].splitlines()
    return [line.rstrip() for line in lines if not line.startswith("0.612 @3:")]


def stages_in(storage: Path) -> set[str]:
    return {str(path.relative_to(storage)) for path in (storage / "stages").rglob("*")}


def test_best_prints_the_tables_and_numbers_that_it_printed_then(legacy: Experiment) -> None:
    before = (LEGACY / "best.txt").read_text(encoding="utf-8")
    result = CliRunner().invoke(app, ["best", NAME])
    assert result.exit_code == 0, result.output
    assert tables(result.output) == tables(before)
    assert set(NUMBER.findall(before)) <= set(NUMBER.findall(result.output))


def test_every_trial_is_planned_with_the_stages_that_the_study_names(legacy: Experiment) -> None:
    sources, store = read_sources(legacy), open_store(legacy)
    trials = open_study(legacy.storage, NAME, create=False).get_trials()
    assert len(trials) == 12
    for trial in trials:
        stages = plan(override(legacy, trial.params), sources)
        assert stages.features is not None
        assert trial.user_attrs["stages"] == {
            "pretrain": stages.pretrain.digest,
            "features": stages.features.digest,
            "finetune": stages.finetune.digest,
        }
        for stage in stages.shared:
            assert store.find(stage) is not None, f"trial {trial.number} would build {stage}"
        if trial.state == TrialState.COMPLETE:
            assert store.find(stages.finetune) is not None


def test_every_image_and_pretraining_that_the_search_can_ask_for_is_found(legacy: Experiment) -> None:
    counts = stage_counts(open_store(legacy), legacy, read_sources(legacy))
    built = {count.name: (count.num_built, count.num_stages) for count in counts}
    assert built == {
        "shard": (91, 91),
        "prepare": (2, 2),
        "pretrain": (4, 4),
        "features": (7, 8),  # no trial had depth 34, learning rate 0.001 and four frozen groups
    }


def test_the_winner_trained_on_all_patients_is_found(legacy: Experiment) -> None:
    best = open_study(legacy.storage, NAME, create=False).best_trial
    winner = override(legacy, best.params)
    stages = plan(winner, read_sources(winner))
    stage = refit_stage(winner.finetune, winner.seed, stages.pretrain, stages.cohort)
    assert open_store(winner).find(stage) is not None


def test_the_random_network_that_the_report_compares_with_is_found(legacy: Experiment) -> None:
    best = open_study(legacy.storage, NAME, create=False).best_trial
    random = override(legacy, {**best.params, "pretrain.objective": "none"})
    assert open_store(random).find(plan(random, read_sources(random)).pretrain) is not None


def test_the_same_sweep_command_builds_nothing(legacy: Experiment) -> None:
    storage = Path(legacy.storage)
    before = stages_in(storage)
    result = CliRunner().invoke(app, ["sweep", CONFIG, "--json"])
    assert result.exit_code == 0, result.output
    assert "Sweep demo: 12 trials" in result.stderr  # how it ended; stdout is JSON and nothing else
    leaderboard = json.loads(result.stdout)
    assert len(leaderboard["rows"]) == 12
    assert leaderboard["best"] == 11
    assert stages_in(storage) == before
