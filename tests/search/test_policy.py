from dataclasses import dataclass

from crtcore.stages import Stage
from search.policy import pick

A, B, C, D = (Stage(name="s", config={"which": which}, inputs=(), version=1) for which in "ABCD")


@dataclass(frozen=True)
class Trial:
    stages: tuple[Stage, ...]
    work: float = 0.0
    is_begun: bool = False


def test_the_first_that_waits_for_nobody() -> None:
    waiting = [Trial((A, B)), Trial((A, C)), Trial((D, C))]
    assert pick(waiting, [], lambda stage: False) is waiting[0]
    assert pick(waiting, [Trial((A, B))], lambda stage: False) is waiting[2]
    assert pick(waiting, [Trial((A, B)), Trial((C,))], lambda stage: False) is None
    assert pick([], [], lambda stage: False) is None


def test_what_is_built_holds_nobody_back() -> None:
    running = [Trial((A, B))]
    assert pick([Trial((A, C))], running, lambda stage: stage == A) == Trial((A, C))
    assert pick([Trial((A, B))], running, lambda stage: stage == A) is None
    assert pick([Trial((A, B))], running, lambda stage: True) == Trial((A, B))


def test_who_builds_most_goes_first() -> None:
    waiting = [Trial((A, B)), Trial((C, D))]
    assert pick(waiting, [], lambda stage: stage == A) is waiting[1]


def test_of_those_with_as_much_to_build_the_longest_goes_first() -> None:
    waiting = [Trial((A,), 1.0), Trial((B,), 3.0), Trial((C,), 3.0), Trial((C, D), 0.5)]
    assert pick(waiting, [], lambda stage: True) is waiting[1]
    assert pick(waiting, [], lambda stage: False) is waiting[3]


def test_what_was_begun_is_gone_on_with_first() -> None:
    waiting = [Trial((A, B), 3.0), Trial((C,), 1.0, is_begun=True)]
    assert pick(waiting, [], lambda stage: False) is waiting[1]
    assert pick(waiting, [Trial((C,))], lambda stage: False) is waiting[0]
