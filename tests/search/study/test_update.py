"""What listeners get."""

import subprocess
import sys

from optuna.trial import TrialState, create_trial

from crtcore.training.engine.history import EpochReport
from search.study.attributes import REASON, REUSED, SECONDS, STAGES
from search.study.update import STATES, Listeners, State, TrialUpdate, state_of, update_of

DIGESTS = {"pretrain": "abc", "features": None, "finetune": "def"}


def update(number: int, state: State) -> TrialUpdate:
    return TrialUpdate(number=number, state=state, params={})


def test_every_state_of_optuna_has_a_name_here() -> None:
    assert set(STATES) == {state.name for state in TrialState}
    assert state_of(create_trial(state=TrialState.PRUNED)) == "PRUNED"


def test_a_trial_of_an_earlier_run_is_described_from_the_study() -> None:
    items = {**STAGES.item(DIGESTS), **REUSED.item(["pretrain"]), **SECONDS.item(2.5)}
    trial = create_trial(value=0.7, intermediate_values={1: 0.6, 2: 0.7}, user_attrs=items)
    trial.number = 4
    assert update_of(trial, state_of(trial)) == TrialUpdate(
        number=4,
        state="COMPLETE",
        params={},
        stages=DIGESTS,
        reused=("pretrain",),
        stage="finetune",
        epoch=2,
        value=0.7,
        seconds=2.5,
    )


def test_a_running_trial_is_described_by_its_last_report() -> None:
    trial = create_trial(state=TrialState.RUNNING, intermediate_values={1: 0.6}, user_attrs=SECONDS.item(9.0))
    report = EpochReport(
        stage="pretrain", epoch=2, num_epochs=3, metrics={"loss": 1.0}, num_images=10, seconds=0.5
    )
    found = update_of(trial, "RUNNING", last=report, seconds=1.5, message="no GPU")
    assert (found.stage, found.epoch, found.num_epochs, found.metrics) == ("pretrain", 2, 3, {"loss": 1.0})
    assert (found.value, found.seconds, found.message) == (0.6, 1.5, "no GPU")
    started = update_of(trial, "RUNNING")
    assert (started.stage, started.epoch, started.metrics) == (None, 0, {})


def test_a_failed_trial_says_why() -> None:
    trial = create_trial(state=TrialState.FAIL, user_attrs=REASON.item("auc is nan after epoch 2"))
    assert update_of(trial, "FAIL").message == "auc is nan after epoch 2"


def test_all_listeners_get_every_update() -> None:
    one: list[TrialUpdate] = []
    two: list[TrialUpdate] = []
    listeners = Listeners((one.append, two.append))
    listeners(update(0, "WAITING"))
    listeners(update(0, "RUNNING"))
    assert one == two == [update(0, "WAITING"), update(0, "RUNNING")]


def test_a_late_listener_first_gets_how_each_trial_stands() -> None:
    listeners = Listeners()
    for number, state in ((0, "RUNNING"), (1, "WAITING"), (0, "COMPLETE")):
        listeners(update(number, state))  # type: ignore[arg-type]  # mypy widens literals in tuples
    late: list[TrialUpdate] = []
    listeners.add(late.append)
    assert late == [update(0, "COMPLETE"), update(1, "WAITING")]
    listeners(update(1, "RUNNING"))
    assert late[2:] == [update(1, "RUNNING")]


def test_updates_need_neither_optuna_nor_torch() -> None:
    """The progress view on the terminal imports this file before anything heavy."""
    check = "import sys, search.study.update; print(sorted({'optuna', 'torch', 'ray'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
