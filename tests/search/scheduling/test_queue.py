"""The queue, and its choices against a slow and obvious way to make them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from crtcore.stages.stage import Stage
from search.scheduling.queue import Queue

A, B, C, D = (Stage(name="s", config={"which": which}, inputs=(), version=1) for which in "ABCD")
SHARED = [Stage(name="shared", config={"which": which}, inputs=(), version=1) for which in range(4)]
LAST = [Stage(name="last", config={"which": which}, inputs=(), version=1) for which in range(6)]


@dataclass(frozen=True, eq=False)
class Trial:
    stages: tuple[Stage, ...]
    work: float = 0.0
    is_begun: bool = False


def pick(
    waiting: Sequence[Trial], running: Iterable[Trial], is_built: Callable[[Stage], bool]
) -> Trial | None:
    """What a queue picks."""
    queue: Queue[Trial] = Queue(is_built)
    for trial in waiting:
        queue.add(trial)
    for trial in running:
        queue.start(trial)
    return queue.pick()


def obvious(
    waiting: Sequence[Trial], running: Iterable[Trial], is_built: Callable[[Stage], bool]
) -> Trial | None:
    """The same choice, made by looking at every waiting and every running trial."""
    building = {stage.digest for trial in running for stage in trial.stages if not is_built(stage)}
    best: Trial | None = None
    most = (False, -1, 0.0)
    for trial in waiting:
        unbuilt = [stage.digest for stage in trial.stages if not is_built(stage)]
        rank = (trial.is_begun, len(unbuilt), trial.work)
        if rank > most and building.isdisjoint(unbuilt):
            best, most = trial, rank
    return best


TRIALS = st.builds(
    lambda shared, last, work, begun: Trial((*shared, last), work, begun),
    st.lists(st.sampled_from(SHARED), max_size=3, unique_by=lambda stage: stage.digest),
    st.sampled_from(LAST),  # few, so that some trials share the last stage
    st.sampled_from([0.0, 1.0, 2.0]),
    st.booleans(),
)
EVENTS = st.lists(
    st.one_of(
        TRIALS,
        st.sampled_from(["pick", "pick", "end"]),
        st.tuples(st.sampled_from(["build", "lose"]), st.sampled_from(SHARED + LAST)),
        st.tuples(st.just("remove"), st.integers(0, 20)),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=300)
@given(EVENTS)
def test_it_picks_what_the_obvious_way_picks(events: list[object]) -> None:
    waiting: list[Trial] = []
    running: list[Trial] = []
    built: set[str] = set()

    def is_built(stage: Stage) -> bool:
        return stage.digest in built

    queue: Queue[Trial] = Queue(is_built)
    for event in events:
        match event:
            case Trial():
                waiting.append(event)
                queue.add(event)
            case "end" if running:
                queue.end(running.pop(0))
            case "build", Stage() as stage:
                built.add(stage.digest)
            case "lose", Stage() as stage:
                built.discard(stage.digest)
            case "remove", int(place) if waiting:
                gone = waiting.pop(place % len(waiting))
                queue.remove(gone)
        expected = obvious(waiting, running, is_built)
        assert queue.pick() is expected
        assert len(queue) == len(waiting)
        for stage in LAST:
            assert list(queue.with_last(stage)) == [each for each in waiting if each.stages[-1] == stage]
        if event == "pick" and expected is not None:
            waiting.remove(expected)
            queue.remove(expected)
            running.append(expected)
            queue.start(expected)


def test_the_oldest_that_can_run_goes_first() -> None:
    waiting = [Trial((A, B)), Trial((A, C)), Trial((D, C))]
    assert pick(waiting, [], lambda stage: False) is waiting[0]
    assert pick(waiting, [Trial((A, B))], lambda stage: False) is waiting[2]
    assert pick(waiting, [Trial((A, B)), Trial((C,))], lambda stage: False) is None
    assert pick([], [], lambda stage: False) is None


def test_a_built_stage_blocks_nobody() -> None:
    one, other, running = Trial((A, C)), Trial((A, B)), [Trial((A, B))]
    assert pick([one], running, lambda stage: stage == A) is one
    assert pick([other], running, lambda stage: stage == A) is None
    assert pick([other], running, lambda stage: True) is other


def test_the_one_with_most_stages_to_build_goes_first() -> None:
    waiting = [Trial((A, B)), Trial((C, D))]
    assert pick(waiting, [], lambda stage: stage == A) is waiting[1]


def test_with_equally_many_stages_the_longest_goes_first() -> None:
    waiting = [Trial((A,), 1.0), Trial((B,), 3.0), Trial((C,), 3.0), Trial((C, D), 0.5)]
    assert pick(waiting, [], lambda stage: True) is waiting[1]
    assert pick(waiting, [], lambda stage: False) is waiting[3]


def test_a_trial_that_was_started_before_goes_first() -> None:
    waiting = [Trial((A, B), 3.0), Trial((C,), 1.0, is_begun=True)]
    assert pick(waiting, [], lambda stage: False) is waiting[1]
    assert pick(waiting, [Trial((C,))], lambda stage: False) is waiting[0]
