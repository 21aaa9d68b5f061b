"""What a running sweep says of its trials."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from optuna.trial import FrozenTrial, TrialState

from search.study.attributes import REASON, SECONDS

State = Literal["WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL"]
STATES: Mapping[TrialState, State] = {
    TrialState.WAITING: "WAITING",
    TrialState.RUNNING: "RUNNING",
    TrialState.COMPLETE: "COMPLETE",
    TrialState.PRUNED: "PRUNED",
    TrialState.FAIL: "FAIL",
}


@dataclass(frozen=True, kw_only=True)
class TrialUpdate:
    """How a trial stands. `stage`, `epoch` and `num_epochs` are of its last report, `value` is its last AUC;
    `seconds` it has computed; `message` says why it failed, is tried again or has to wait.
    """

    number: int
    state: State
    params: Mapping[str, Any]
    stage: str | None = None
    epoch: int = 0
    num_epochs: int = 0
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    message: str = ""


def update_of_finished(trial: FrozenTrial) -> TrialUpdate:
    """How a trial that an earlier run finished stands."""
    curve = trial.intermediate_values
    return TrialUpdate(
        number=trial.number,
        state=STATES[trial.state],
        params=trial.params,
        stage="finetune" if curve else None,
        epoch=max(curve, default=0),
        value=curve[max(curve)] if curve else None,
        seconds=SECONDS.of(trial) or 0.0,
        message=REASON.of(trial) or "",
    )
