"""The session as a Tune scheduler: every report goes into the study, and what it decides is done."""

from pathlib import Path
from typing import Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from search.session import Session

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
