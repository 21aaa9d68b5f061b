from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from search.scheduler import SessionScheduler, last_line
from search.session import Session

CONTROLLER = cast(TuneController, None)  # not asked anything


class Told:
    """A session that writes down what it is told and stops a trial at its second report."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def report(self, number: int, report: str, *, node: str) -> bool:
        self.calls.append((number, report, node))
        return len(self.calls) < 2

    def trouble(self, number: int, reason: str) -> None:
        self.calls.append((number, reason))


def trial(error: str | None = None) -> Trial:
    return cast(Trial, SimpleNamespace(config={"number": 7}, get_error=lambda: error))


def test_every_report_goes_to_the_session_which_decides() -> None:
    told = Told()
    scheduler = SessionScheduler(cast(Session, told))
    decisions = [
        scheduler.on_trial_result(CONTROLLER, trial(), {"report": report, "hostname": "node1"})
        for report in ("first", "second")
    ]
    assert decisions == [TrialScheduler.CONTINUE, TrialScheduler.STOP]
    assert told.calls == [(7, "first", "node1"), (7, "second", "node1")]


@pytest.mark.parametrize(
    ("error", "reason"),
    [("Failure # 1\nTraceback ...\nOSError: gone\n", "OSError: gone"), (None, "unknown error")],
)
def test_trouble_is_told_in_one_line(error: str | None, reason: str) -> None:
    told = Told()
    SessionScheduler(cast(Session, told)).on_trial_error(CONTROLLER, trial(error))
    assert told.calls == [(7, reason)]


def test_the_last_line_is_the_one_that_says_what_happened() -> None:
    assert last_line("Traceback\n  File x\nValueError: no\n\n") == "ValueError: no"
