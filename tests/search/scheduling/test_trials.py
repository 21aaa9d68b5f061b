"""What a proposal consists of, and what a run says that it cost."""

from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial

from crtcore.config import Experiment
from crtcore.stages.store import StageStore
from search.scheduling.trials import Proposal, Run
from search.study.attributes import REUSED
from tests.search.fake_sweep import EPOCH_IMAGES, EPOCH_S, commit, plan_of, report_of

NUM_EPOCHS = 3


def proposal(frozen_groups: int) -> Proposal:
    experiment = Experiment.model_validate(
        {
            "name": "demo",
            "arrhythmia": {"database": "none"},
            "cohort": {"manifest": "none"},
            "finetune": {"epochs": NUM_EPOCHS, "frozen_groups": frozen_groups},
        }
    )
    return Proposal(
        number=0, params={"pretrain.depth": 18}, experiment=experiment, plan=plan_of(experiment), work=1.0
    )


def run(made: Proposal, reused: list[str]) -> Run:
    trial = create_trial(state=TrialState.RUNNING, user_attrs=REUSED.item(reused))
    return Run(proposal=made, trial=trial, node="node1")


def take(run: Run, stage: str, num_epochs: int) -> None:
    """Give a run the reports of a stage."""
    for epoch in range(1, num_epochs + 1):
        run.reports[stage, epoch] = run.last = report_of(stage, epoch, num_epochs, 0.7)


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(str(tmp_path), cache=tmp_path)


def test_a_trial_owns_its_stages_but_not_the_data_sets() -> None:
    full, scratch = proposal(5), proposal(0)
    assert [stage.name for stage in full.own] == ["pretrain", "features", "finetune"]
    assert full.stages[-1] == full.plan.finetune and full.plan.cohort in full.stages
    assert [stage.name for stage in scratch.own] == ["pretrain", "finetune"]
    assert scratch.digests == {
        "pretrain": scratch.plan.pretrain.digest,
        "features": None,
        "finetune": scratch.plan.finetune.digest,
    }


def test_what_was_built_is_its_own_cost(store: StageStore) -> None:
    made = run(proposal(5), reused=[])
    for stage, num_epochs in (("pretrain", 2), ("features", 1), ("finetune", NUM_EPOCHS)):
        take(made, stage, num_epochs)
    assert made.computed_s == 6 * EPOCH_S
    assert made.account(store, gpus=0.0) == {
        "node": "node1",
        "seconds": 6 * EPOCH_S,
        "images": 6 * EPOCH_IMAGES,
        "saved_seconds": 0.0,
    }
    assert made.account(store, gpus=0.5)["gpu_seconds"] == 3 * EPOCH_S


def test_an_epoch_that_is_reported_twice_counts_once(store: StageStore) -> None:
    made = run(proposal(0), reused=[])
    take(made, "finetune", 1)
    take(made, "finetune", 2)  # the trial was started again, and replays its first epoch
    assert made.account(store, gpus=0.0)["seconds"] == 2 * EPOCH_S


def test_what_was_reused_is_saved(store: StageStore) -> None:
    made = run(proposal(5), reused=["pretrain", "features"])
    for stage, num_epochs in ((made.proposal.plan.pretrain, 4), (made.proposal.plan.features, 1)):
        assert stage is not None
        commit(store, stage, num_epochs=num_epochs)
    take(made, "finetune", NUM_EPOCHS)
    account = made.account(store, gpus=0.0)
    assert account["saved_seconds"] == 5 * EPOCH_S
    assert account["seconds"] == NUM_EPOCHS * EPOCH_S


def test_a_stage_whose_builder_died_before_its_report_counts(store: StageStore) -> None:
    made = run(proposal(0), reused=[])
    commit(store, made.proposal.plan.pretrain, num_epochs=4)  # nobody reported its epochs
    take(made, "finetune", NUM_EPOCHS)
    assert made.account(store, gpus=0.0)["seconds"] == (4 + NUM_EPOCHS) * EPOCH_S


def test_the_curve_is_that_of_the_study_and_grows_with_it() -> None:
    made = run(proposal(0), reused=[])
    assert made.curve == {}
    made.trial.intermediate_values[1] = 0.7
    assert made.curve == {1: 0.7}


def test_a_proposal_does_not_change() -> None:
    made: Any = proposal(0)
    with pytest.raises(AttributeError):
        made.number = 1


def test_an_update_holds_the_last_report_and_what_was_reused() -> None:
    made = run(proposal(5), reused=["pretrain"])
    take(made, "finetune", 2)
    made.trial.intermediate_values[2] = 0.7
    update = made.update("RUNNING", message="no GPU")
    assert (update.stage, update.epoch, update.num_epochs, update.value) == ("finetune", 2, 2, 0.7)
    assert (update.reused, update.seconds, update.message) == (("pretrain",), 2 * EPOCH_S, "no GPU")
