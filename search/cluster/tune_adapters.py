"""A sweep's session in the three forms that Ray Tune asks for: a searcher hands out its trials, a scheduler
passes results and failures to it, a stopper ends the run when it is halted. None of them keeps state of the
sweep; only the searcher translates Tune's trial ids to numbers in the study.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.scheduling.session import Session

MAX_WAIT_S = 60.0  # before a failed trial is tried again


class SessionSearcher(Searcher):
    """Hands out the session's trials, `num_slots()` at a time; nodes may come and go in between."""

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
        if proposal is None:  # all slots are taken, or the store answered the last waiting trial
            return Searcher.FINISHED if self._session.is_exhausted else None
        self._numbers[trial_id] = proposal.number
        return {"number": proposal.number, "params": dict(proposal.params)}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tune calls this once for each trial, after its last result or its last failure."""
        number = self._numbers.pop(trial_id)
        if not self._session.is_running(number):
            return  # a report ended it, and the session has recorded that
        if error:
            self._session.fail(number)
        elif result is not None and "reason" in result:
            self._session.fail(number, result["reason"])
        elif result is not None and "halt" in result:
            self._session.halt(number, result["halt"])
        # Otherwise it was stopped because the sweep is halted. The next run of the sweep resumes it.

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the study holds the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: a sweep resumes from its study."""


class SessionScheduler(FIFOScheduler):
    """Passes results and failures to the session. Trials run in the order in which they are handed out.

    The session also decides on early stopping: it decides from the study alone, so a new driver decides the
    same. Tune's own ASHA keeps its rungs in the process and loses them with it.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray annotates only part of its API
        self._session = session

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        """Tune calls this for every result except the last one, which is marked `done`."""
        continues = self._session.report(trial.config["number"], result["report"], node=result["hostname"])
        return TrialScheduler.CONTINUE if continues else TrialScheduler.STOP

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        """Tune calls this when a trial raised or lost its process, before it is tried again or given up."""
        # This file is in the driver's own folder; Tune copies it to where `get_error` looks only later.
        error_file = trial.error_file
        reason = (
            last_line(Path(error_file).read_text(encoding="utf-8"))
            if error_file
            else "the worker died without a traceback"
        )
        self._session.report_trouble(trial.config["number"], reason)
        # The trial's process sleeps 1, 2, 4, ... seconds: whatever failed may need a while to come back.
        trial.config["wait_s"] = min(MAX_WAIT_S, 2.0 ** (trial.num_failures - 1))


class SessionStopper(tune.Stopper):
    """Ends the run when the session is halted."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, trial_id: str, result: dict[str, object]) -> bool:
        return False

    def stop_all(self) -> bool:
        return bool(self._session.halted)


def last_line(traceback: str) -> str:
    """The line of a traceback that says what happened, without Ray's general advice on lost processes."""
    line = traceback.strip().splitlines()[-1].strip()
    return line.partition(" Some common causes include")[0]
