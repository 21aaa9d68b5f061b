"""Complete trials whose last stage is lost or damaged: built again, with the study unchanged."""

import shutil
from pathlib import Path

import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.errors import StorageError, SweepError
from crtcore.pipeline import open_store
from crtcore.stages.stage import StageKey
from search.results.leaderboard import build_leaderboard
from search.results.outcome import sweep_outcome
from search.study.attributes import REBUILT, STAGES
from search.study.study import open_study
from search.sweep.run import run_sweep
from tests.search.sweep_here import sweep_here


@pytest.fixture
def swept(tiny: Experiment) -> Experiment:
    """A finished sweep of two trials."""
    settings = {
        "search.trials": 2,
        "search.sampler": "grid",
        "search.space": {"finetune.learning_rate": [0.01, 0.02]},
    }
    experiment = override(tiny, settings)
    sweep_here(experiment)
    return experiment


def finetune_of(experiment: Experiment, number: int) -> StageKey:
    trial = open_study(experiment.storage, experiment.name, create=False).trials[number]
    return StageKey(name="finetune", digest=str(STAGES.of(trial)["finetune"]))


def folder_of(experiment: Experiment, number: int) -> Path:
    return Path(experiment.storage, "stages", str(finetune_of(experiment, number)))


@pytest.mark.ray
@pytest.mark.usefixtures("one_ray")
@pytest.mark.timeout(300)
def test_lost_and_damaged_stages_are_built_again_and_the_study_stays(swept: Experiment) -> None:
    before = build_leaderboard(swept.storage, swept.name)
    trials = open_study(swept.storage, swept.name, create=False).trials
    shutil.rmtree(folder_of(swept, 0))
    damaged = folder_of(swept, 1) / "oof.parquet"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(StorageError):
        build_leaderboard(swept.storage, swept.name)

    after = run_sweep(swept)
    assert after.rows == before.rows
    assert open_study(swept.storage, swept.name, create=False).trials == trials
    outcome = sweep_outcome(swept.storage, swept.name)
    assert (outcome.rebuilt, outcome.changed) == ((0, 1), ())
    assert "Rebuilt, because the stages were lost or damaged: trials 0, 1." in outcome.sentences()
    assert all(open_store(swept).is_intact(finetune_of(swept, number)) for number in (0, 1))


def test_a_result_that_this_version_cannot_compute_again_is_an_error(
    swept: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trial 0 was computed by a version with another digest."""
    monkeypatch.setattr(STAGES, "of", lambda trial: {"finetune": "0" * 20})
    with pytest.raises(
        SweepError, match=r"results of trial 0 .* are lost, and this version would compute other"
    ):
        run_sweep(swept)


def test_another_result_than_before_is_said(swept: Experiment) -> None:
    study = open_study(swept.storage, swept.name, create=False)
    first, second = (trial.value or 0.0 for trial in study.trials)
    REBUILT.write(study, {"0": first + 0.01, "1": second})
    outcome = sweep_outcome(swept.storage, swept.name)
    assert (outcome.rebuilt, outcome.changed) == ((0, 1), (0,))
    assert "Rebuilt with another result than before" in outcome.sentences()[3]
