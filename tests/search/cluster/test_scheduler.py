from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from search.cluster.tune_adapters import MAX_WAIT_S, SessionScheduler, last_line
from search.scheduling.session import Session

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


def trial(error_file: Path | None = None, num_failures: int = 1) -> Trial:
    return cast(
        Trial, SimpleNamespace(config={"number": 7}, error_file=error_file, num_failures=num_failures)
    )


def test_every_report_goes_to_the_session_which_decides() -> None:
    told = Told()
    scheduler = SessionScheduler(cast(Session, told))
    decisions = [
        scheduler.on_trial_result(CONTROLLER, trial(), {"report": report, "hostname": "node1"})
        for report in ("first", "second")
    ]
    assert decisions == [TrialScheduler.CONTINUE, TrialScheduler.STOP]
    assert told.calls == [(7, "first", "node1"), (7, "second", "node1")]


def test_trouble_is_told_in_one_line(tmp_path: Path) -> None:
    told = Told()
    scheduler = SessionScheduler(cast(Session, told))
    error_file = tmp_path / "error.txt"
    error_file.write_text("Failure # 1\nTraceback ...\nOSError: gone\n")
    scheduler.on_trial_error(CONTROLLER, trial(error_file))
    scheduler.on_trial_error(CONTROLLER, trial())
    assert told.calls == [(7, "OSError: gone"), (7, "lost without a word")]


def test_it_is_tried_again_after_longer_and_longer_but_bounded_waits() -> None:
    scheduler = SessionScheduler(cast(Session, Told()))
    waits_s = []
    for num_failures in (1, 2, 3, 50):
        failed = trial(num_failures=num_failures)
        scheduler.on_trial_error(CONTROLLER, failed)
        waits_s.append(failed.config["wait_s"])
    assert waits_s == [1, 2, 4, MAX_WAIT_S]


def test_the_last_line_is_the_one_that_says_what_happened() -> None:
    assert last_line("Traceback\n  File x\nValueError: no\n\n") == "ValueError: no"
    assert last_line("The worker process has died. Some common causes include: (1) x") == (
        "The worker process has died."
    )
