"""How a trial of a running sweep stands, and who gets to know it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from search.study.attributes import REASON, REUSED, SECONDS, STAGES, Digests

if TYPE_CHECKING:  # they import Optuna and torch, which a progress view does not need
    from optuna.trial import FrozenTrial

    from crtcore.training.engine.history import EpochReport

State = Literal["COMPLETE", "PRUNED", "RUNNING", "WAITING", "FAIL"]
STATES: Final[tuple[State, ...]] = get_args(State)  # in the order in which results list them


@dataclass(frozen=True, kw_only=True)
class TrialUpdate:
    """How a trial stands.

    `stages` are the digests of its stages, `reused` the names of those that it found built when it first
    started. `stage`, `epoch`, `num_epochs` and `metrics` are those of its last report, `value` is its last
    AUC. `seconds` is the time that it computed. `message` says why it failed, is tried again or has to wait.
    """

    number: int
    state: State
    params: Mapping[str, Any]
    stages: Digests = field(default_factory=dict)
    reused: tuple[str, ...] = ()
    stage: str | None = None
    epoch: int = 0
    num_epochs: int = 0
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    message: str = ""


Listener = Callable[[TrialUpdate], None]


def state_of(trial: "FrozenTrial") -> State:
    """The state of a trial in its study."""
    return cast(State, trial.state.name)


def update_of(
    trial: "FrozenTrial",
    state: State,
    *,
    last: "EpochReport | None" = None,
    seconds: float | None = None,
    message: str = "",
) -> TrialUpdate:
    """How `trial` stands, from its study and, if this run of the sweep ran it, from its last report and the
    seconds it computed.
    """
    curve = trial.intermediate_values
    stage, epoch, num_epochs, metrics = None, 0, 0, dict[str, float]()
    if last is not None:
        stage, epoch, num_epochs, metrics = last.stage, last.epoch, last.num_epochs, last.metrics
    elif trial.state.is_finished() and curve:
        stage, epoch = "finetune", max(curve)
    return TrialUpdate(
        number=trial.number,
        state=state,
        params=trial.params,
        stages=STAGES.of(trial),
        reused=tuple(REUSED.of(trial) or ()),
        stage=stage,
        epoch=epoch,
        num_epochs=num_epochs,
        value=curve[max(curve)] if curve else None,
        metrics=metrics,
        seconds=(SECONDS.of(trial) or 0.0) if seconds is None else seconds,
        message=message or REASON.of(trial) or "",
    )


class Listeners:
    """Everyone who gets the updates of a sweep. A listener that is added later first gets the latest update
    of each trial, in the order in which the trials were first heard of.
    """

    def __init__(self, listeners: tuple[Listener, ...] = ()) -> None:
        self._listeners = list(listeners)
        self._latest: dict[int, TrialUpdate] = {}

    def add(self, listener: Listener) -> None:
        """Call `listener` with the latest update of each trial, and with every update from now on."""
        for update in self._latest.values():
            listener(update)
        self._listeners.append(listener)

    def __call__(self, update: TrialUpdate) -> None:
        """Pass an update on to all listeners."""
        self._latest[update.number] = update
        for listener in self._listeners:
            listener(update)
