"""The searcher's part of the conversation with Tune, with a session that writes down what it is told."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.tune.search import Searcher

from search.cluster.tune_adapters import SessionSearcher
from search.scheduling.session import Session


class Told:
    """A session with two proposals."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.running: set[int] = set()
        self.left = [3, 4]

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

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.calls.append((name, *args))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def searcher(told: Told) -> SessionSearcher:
    return SessionSearcher(cast(Session, told), num_slots=lambda: 1)


def test_it_hands_out_waits_and_ends(told: Told, searcher: SessionSearcher) -> None:
    assert searcher.suggest("a") == {"number": 3, "params": {"pretrain.depth": 18}}
    assert searcher.suggest("b") is None
    told.running.clear()
    assert searcher.suggest("c") == {"number": 4, "params": {"pretrain.depth": 18}}
    assert searcher.suggest("d") == Searcher.FINISHED


@pytest.mark.parametrize(
    ("end", "call"),
    [
        ({"result": {"done": True, "reason": "loss is nan"}}, ("fail", 3, "loss is nan")),
        ({"result": {"done": True, "halt": "damaged"}}, ("halt", 3, "damaged")),
        ({"error": True}, ("fail", 3)),
    ],
)
def test_the_session_is_told_how_a_trial_ended(
    told: Told, searcher: SessionSearcher, end: dict[str, Any], call: tuple[Any, ...]
) -> None:
    searcher.suggest("a")
    searcher.on_trial_complete("a", **end)
    assert told.calls == [call]


def test_a_trial_that_the_scheduler_stopped_is_not_told_of_again(
    told: Told, searcher: SessionSearcher
) -> None:
    searcher.suggest("a")
    told.running.clear()
    searcher.on_trial_complete("a", result={"report": "the last one"})
    assert told.calls == []


def test_a_trial_that_is_stopped_with_a_halted_sweep_is_left_for_the_next_run(
    told: Told, searcher: SessionSearcher
) -> None:
    searcher.suggest("a")
    searcher.on_trial_complete("a", result={"report": "not the last one", "done": True})
    assert told.calls == []


def test_it_ends_when_the_last_proposal_was_answered_instead_of_handed_out(
    told: Told, searcher: SessionSearcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told, "next", lambda num_slots: told.left.clear(), raising=False)
    assert searcher.suggest("a") == Searcher.FINISHED
