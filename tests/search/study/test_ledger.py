"""The ledger's memory against the study that it writes."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.study.attributes import (
    ELAPSED_S,
    ENDED_BY,
    GPU_SECONDS,
    REASON,
    REUSED,
    STAGES,
    TrialAttribute,
    ranks_of,
    reports_of,
)
from search.study.ledger import Ledger
from search.study.study import Direction, open_study

SPACE = {"pretrain.depth": IntDistribution(18, 34)}
DIGESTS = {"pretrain": "abc", "features": None, "finetune": "def"}


@pytest.fixture(params=["sqlite", "journal"])
def study(request: pytest.FixtureRequest, tmp_path: Path) -> optuna.Study:
    return open_study(str(tmp_path), "demo", create=True, kind=request.param)


def waiting(depth: int = 18) -> FrozenTrial:
    return create_trial(state=TrialState.WAITING, params={"pretrain.depth": depth}, distributions=dict(SPACE))


def said(trial: FrozenTrial) -> tuple[Any, ...]:
    """All that the ledger and the study must agree on."""
    return (
        trial.number,
        trial.state,
        trial.params,
        trial.values,
        trial.intermediate_values,
        trial.user_attrs,
        trial.system_attrs,
    )


def assert_same(ledger: Ledger) -> None:
    """Memory, study, and a new ledger on the study hold the same."""
    stored = [said(trial) for trial in ledger.study.get_trials()]
    assert [said(trial) for trial in ledger.trials.values()] == stored
    again = Ledger(ledger.study)
    assert [said(trial) for trial in again.trials.values()] == stored
    assert (again.gpu_s, again.num_finished) == (ledger.gpu_s, ledger.num_finished)


def test_a_trial_from_proposal_to_end(study: optuna.Study) -> None:
    ledger = Ledger(study)
    ledger.add(waiting(), STAGES.item(DIGESTS))
    assert ledger.trials[0].state == TrialState.WAITING and len(ledger) == 1
    assert_same(ledger)
    trial = ledger.start(0, ["pretrain"])
    assert trial is ledger.trials[0] and REUSED.of(trial) == ["pretrain"]
    assert_same(ledger)
    assert ledger.report(0, 1, 0.6) and ledger.report(0, 2, 0.7)
    assert not ledger.report(0, 2, 0.9)  # it is there already
    assert trial.intermediate_values == {1: 0.6, 2: 0.7}
    assert_same(ledger)
    ledger.finish(0, TrialState.COMPLETE, [0.7], GPU_SECONDS.item(12.5))
    assert trial.value == 0.7
    assert (ledger.num_finished, ledger.gpu_s) == (1, 12.5)
    assert_same(ledger)


def test_the_stages_found_built_are_those_of_the_first_start(study: optuna.Study) -> None:
    ledger = Ledger(study)
    ledger.add(waiting(), {})
    ledger.start(0, [])
    ledger.suspend(0)
    assert ledger.trials[0].state == TrialState.WAITING
    assert REUSED.of(ledger.start(0, ["pretrain", "finetune"])) == []
    assert_same(ledger)


def test_a_pruned_trial_has_the_last_value_of_its_curve(study: optuna.Study) -> None:
    ledger = Ledger(study)
    ledger.add(waiting(), {})
    ledger.start(0, [])
    ledger.report(0, 1, 0.6)
    ledger.report(0, 2, 0.5)
    ledger.finish(0, TrialState.PRUNED, None, {})
    assert study.get_trials()[0].value == 0.5
    assert_same(ledger)


def test_a_failed_trial_keeps_its_curve_and_reason(study: optuna.Study) -> None:
    ledger = Ledger(study)
    ledger.add(waiting(), {})
    ledger.start(0, [])
    ledger.report(0, 1, 0.6)
    ledger.finish(0, TrialState.FAIL, None, REASON.item("auc is nan after epoch 2"))
    (trial,) = study.get_trials()
    assert (trial.value, trial.intermediate_values) == (None, {1: 0.6})
    assert REASON.of(trial) == "auc is nan after epoch 2"
    assert_same(ledger)


def test_a_driver_that_died_leaves_its_trials_to_the_next(study: optuna.Study) -> None:
    dead = Ledger(study)
    for depth in (18, 34):
        dead.add(waiting(depth), {})
    dead.start(0, [])
    dead.report(0, 1, 0.6)
    ledger = Ledger(study)
    assert [trial.state for trial in ledger.trials.values()] == [TrialState.RUNNING, TrialState.WAITING]
    ledger.start(0, ["pretrain"])
    assert not ledger.report(0, 1, 0.6)
    assert ledger.report(0, 2, 0.7)
    assert_same(ledger)


def test_closing_suspends_what_is_unfinished(study: optuna.Study) -> None:
    ledger = Ledger(study)
    for _ in range(3):
        ledger.add(waiting(), {})
    ledger.start(0, [])
    ledger.finish(0, TrialState.COMPLETE, [0.7], {})
    ledger.start(1, [])
    ledger.close(12.3456, "interrupted")
    states = [trial.state for trial in study.get_trials()]
    assert states == [TrialState.COMPLETE, TrialState.WAITING, TrialState.WAITING]
    assert (ELAPSED_S.of(study), ENDED_BY.of(study)) == (12.346, "interrupted")
    assert Ledger(study).elapsed_s == 12.346
    assert_same(ledger)


def test_several_objectives_keep_curves_and_values(tmp_path: Path) -> None:
    both: list[Direction] = ["maximize", "minimize"]
    ledger = Ledger(open_study(str(tmp_path), "demo", create=True, directions=both))
    for _ in range(2):
        ledger.add(waiting(), {})
        ledger.start(len(ledger) - 1, [])
        ledger.report(len(ledger) - 1, 1, 0.6)
    ledger.finish(0, TrialState.COMPLETE, [0.6, 5e6], {})
    ledger.finish(1, TrialState.PRUNED, None, {})  # no single value stands for it
    assert [trial.values for trial in ledger.study.get_trials()] == [[0.6, 5e6], None]
    assert_same(ledger)


def test_an_interrupted_transaction_leaves_nothing_in_the_study(tmp_path: Path) -> None:
    study = open_study(str(tmp_path), "demo", create=True)
    ledger = Ledger(study)
    ledger.add(waiting(), {})
    note = TrialAttribute[str]("note", "")

    def interrupted() -> None:
        with ledger.transaction():
            ledger.start(0, [])
            ledger.finish(0, TrialState.FAIL, None, note.item("half-way"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    (trial,) = study.get_trials()
    assert (trial.state, trial.user_attrs) == (TrialState.WAITING, {})


def test_the_order_of_reports_is_kept_over_drivers_and_includes_repeated_reports(study: optuna.Study) -> None:
    ledger = Ledger(study)
    for number in range(2):
        ledger.add(waiting(), STAGES.item(DIGESTS))
        ledger.start(number, [])
    assert ledger.report(0, 1, 0.6) and ledger.report(1, 1, 0.5) and ledger.report(0, 2, 0.7)
    ledger = Ledger(study)  # the first driver died
    assert not ledger.report(0, 1, 0.6)  # a resumed trial passed this epoch
    assert not ledger.report(0, 2, 0.7)  # and is judged again after this one
    assert ledger.report(1, 2, 0.8)
    trials = study.get_trials()
    assert [reports_of(trial) for trial in trials] == [((1, 0), (2, 2), (2, 3)), ((1, 1), (2, 4))]
    assert_same(ledger)


def test_ranks_are_kept_of_trials_that_end_early(study: optuna.Study) -> None:
    ledger = Ledger(study)
    states = (TrialState.PRUNED, TrialState.FAIL, TrialState.COMPLETE)
    for number, state in enumerate(states):
        ledger.add(waiting(), STAGES.item(DIGESTS))
        ledger.start(number, [])
        ledger.report(number, 1, 0.6)
        ledger.finish(number, state, [0.6] if state == TrialState.COMPLETE else None, {}, {"1": "key:AAEC"})
    assert [ranks_of(trial) for trial in study.get_trials()] == [{1: "key:AAEC"}, {1: "key:AAEC"}, {}]
    assert_same(ledger)
