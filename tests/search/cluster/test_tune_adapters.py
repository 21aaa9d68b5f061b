"""Searcher, scheduler and stopper without Tune, on a session that only records its calls."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from search.cluster.tune_adapters import (
    MAX_WAIT_S,
    SessionScheduler,
    SessionSearcher,
    SessionStopper,
    last_line,
)
from search.scheduling.session import Session

CONTROLLER = cast(TuneController, None)  # the scheduler does not use it


class RecordingSession:
    """A session with two proposals, 3 and 4. It stops a trial at its second report."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.running: set[int] = set()
        self.left = [3, 4]
        self.halted = ""

    @property
    def is_exhausted(self) -> bool:
        return not self.left

    def next(self, num_slots: int) -> SimpleNamespace | None:
        if len(self.running) >= num_slots:
            return None
        number = self.left.pop(0)
        self.running.add(number)
        return SimpleNamespace(number=number, params={"pretrain.depth": 18})

    def is_running(self, number: int) -> bool:
        return number in self.running

    def report(self, number: int, report: str, *, node: str) -> bool:
        self.calls.append(("report", number, report, node))
        return len(self.calls) < 2

    def report_trouble(self, number: int, reason: str) -> None:
        self.calls.append(("report_trouble", number, reason))

    def fail(self, number: int, reason: str = "") -> None:
        self.calls.append(("fail", number, reason))

    def halt(self, number: int, reason: str) -> None:
        self.calls.append(("halt", number, reason))


@pytest.fixture
def session() -> RecordingSession:
    return RecordingSession()


@pytest.fixture
def searcher(session: RecordingSession) -> SessionSearcher:
    return SessionSearcher(cast(Session, session), num_slots=lambda: 1)


@pytest.fixture
def scheduler(session: RecordingSession) -> SessionScheduler:
    return SessionScheduler(cast(Session, session))


def trial(error_file: Path | None = None, num_failures: int = 1) -> Trial:
    return cast(
        Trial, SimpleNamespace(config={"number": 7}, error_file=error_file, num_failures=num_failures)
    )


def test_the_searcher_hands_out_trials_then_finishes(
    session: RecordingSession, searcher: SessionSearcher
) -> None:
    assert searcher.suggest("a") == {"number": 3, "params": {"pretrain.depth": 18}}
    assert searcher.suggest("b") is None  # the only slot is taken
    session.running.clear()
    assert searcher.suggest("c") == {"number": 4, "params": {"pretrain.depth": 18}}
    assert searcher.suggest("d") == Searcher.FINISHED


def test_the_searcher_finishes_when_the_store_answers_the_last_trial(
    session: RecordingSession, searcher: SessionSearcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "next", lambda num_slots: session.left.clear(), raising=False)
    assert searcher.suggest("a") == Searcher.FINISHED


@pytest.mark.parametrize(
    ("end", "call"),
    [
        ({"result": {"done": True, "reason": "loss is nan"}}, ("fail", 3, "loss is nan")),
        ({"result": {"done": True, "halt": "damaged"}}, ("halt", 3, "damaged")),
        ({"error": True}, ("fail", 3, "")),
    ],
)
def test_the_session_learns_how_a_trial_ended(
    session: RecordingSession, searcher: SessionSearcher, end: dict[str, Any], call: tuple[Any, ...]
) -> None:
    searcher.suggest("a")
    searcher.on_trial_complete("a", **end)
    assert session.calls == [call]


def test_a_trial_that_a_report_ended_is_not_ended_again(
    session: RecordingSession, searcher: SessionSearcher
) -> None:
    searcher.suggest("a")
    session.running.clear()
    searcher.on_trial_complete("a", result={"report": "the last one"})
    assert session.calls == []


def test_a_trial_that_a_halted_sweep_stops_is_left_for_the_next_run(
    session: RecordingSession, searcher: SessionSearcher
) -> None:
    searcher.suggest("a")
    searcher.on_trial_complete("a", result={"report": "not the last one", "done": True})
    assert session.calls == []


def test_the_session_decides_at_every_report(session: RecordingSession, scheduler: SessionScheduler) -> None:
    decisions = [
        scheduler.on_trial_result(CONTROLLER, trial(), {"report": report, "hostname": "node1"})
        for report in ("first", "second")
    ]
    assert decisions == [TrialScheduler.CONTINUE, TrialScheduler.STOP]
    assert session.calls == [("report", 7, "first", "node1"), ("report", 7, "second", "node1")]


def test_a_failure_is_reported_as_one_line(
    session: RecordingSession, scheduler: SessionScheduler, tmp_path: Path
) -> None:
    error_file = tmp_path / "error.txt"
    error_file.write_text("Failure # 1\nTraceback ...\nOSError: gone\n")
    scheduler.on_trial_error(CONTROLLER, trial(error_file))
    scheduler.on_trial_error(CONTROLLER, trial())
    assert session.calls == [
        ("report_trouble", 7, "OSError: gone"),
        ("report_trouble", 7, "the worker died without a traceback"),
    ]


def test_waits_before_new_tries_double_up_to_a_limit(scheduler: SessionScheduler) -> None:
    waits_s = []
    for num_failures in (1, 2, 3, 50):
        failed = trial(num_failures=num_failures)
        scheduler.on_trial_error(CONTROLLER, failed)
        waits_s.append(failed.config["wait_s"])
    assert waits_s == [1, 2, 4, MAX_WAIT_S]


def test_only_a_halted_session_stops_the_run(session: RecordingSession) -> None:
    stopper = SessionStopper(cast(Session, session))
    assert not stopper.stop_all()
    session.halted = "stage pretrain/abc is damaged"
    assert stopper.stop_all()
    assert not stopper("a", {})  # no single trial is stopped here


def test_the_last_line_of_a_traceback_says_what_happened() -> None:
    assert last_line("Traceback\n  File x\nValueError: no\n\n") == "ValueError: no"
    assert last_line("The worker process has died. Some common causes include: (1) x") == (
        "The worker process has died."
    )
