"""A sweep's session in the shapes that Ray Tune asks for: a searcher, a scheduler and a stopper."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.scheduling.session import Session


class SessionSearcher(Searcher):
    """Tune asks it again and again while there is something to hand out; `num_slots` may change as nodes come
    and go.
    """

    def __init__(self, session: Session, num_slots: Callable[[], int]) -> None:
        super().__init__()
        self._session = session
        self._num_slots = num_slots
        self._numbers: dict[str, int] = {}  # Tune's id of a trial -> its number in the study

    # Ray declares a dict or None, and documents FINISHED, a string.
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next trial's config; None for "nothing now, ask again"; FINISHED."""
        if self._session.is_exhausted:
            return Searcher.FINISHED
        proposal = self._session.next(self._num_slots())
        if proposal is None:  # all slots are taken, or the last that waited was answered from the store
            return Searcher.FINISHED if self._session.is_exhausted else None
        self._numbers[trial_id] = proposal.number
        return {"number": proposal.number, "params": dict(proposal.params)}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Called once for each trial, after its last result or its last failure."""
        number = self._numbers.pop(trial_id)
        if not self._session.is_running(number):
            return  # it ended with a report: recorded there
        if error:
            self._session.fail(number)
        elif result is not None and "reason" in result:
            self._session.fail(number, result["reason"])
        elif result is not None and "halt" in result:
            self._session.halt(number, result["halt"])
        # Else it was stopped because the sweep is halted, and waits for the next run.

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a sweep goes on from its study."""


MAX_WAIT_S = 60.0  # of a trial before it is tried again


class SessionScheduler(FIFOScheduler):
    """First come, first served; early stopping is the session's, which decides from the study alone and so
    survives the driver (Tune's own ASHA keeps its rungs in the process).
    """

    def __init__(self, session: Session) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray annotates only part of its API
        self._session = session

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        """Called for every result but the last, which is `done`."""
        goes_on = self._session.report(trial.config["number"], result["report"], node=result["hostname"])
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        """Called when a trial raised or lost its process, before it is tried again or given up."""
        # The file in the driver's own folder: Tune copies it to where `get_error` looks only later.
        error_file = trial.error_file
        traceback = Path(error_file).read_text(encoding="utf-8") if error_file else "lost without a word"
        self._session.trouble(trial.config["number"], last_line(traceback))
        # 1, 2, 4, ... seconds, in the trial's process: what went away may need a while to come back.
        trial.config["wait_s"] = min(MAX_WAIT_S, 2.0 ** (trial.num_failures - 1))


def last_line(traceback: str) -> str:
    """The line of a traceback that says what happened."""
    line = traceback.strip().splitlines()[-1].strip()
    return line.partition(" Some common causes include")[
        0
    ]  # Ray's advice on lost processes, the same each time


class SessionStopper(tune.Stopper):
    """Ends the run once the session has found what no trial can get past."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, trial_id: str, result: dict[str, object]) -> bool:
        return False

    def stop_all(self) -> bool:
        return bool(self._session.halted)
