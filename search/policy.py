"""Which proposal may run now: never two trials on one unbuilt stage."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from crtcore.stages import Stage


class NeedsStages(Protocol):
    """Anything that is run to build stages."""

    @property
    def stages(self) -> tuple[Stage, ...]: ...


class Waits(NeedsStages, Protocol):
    """What could be run: `is_begun` if an earlier run of the sweep began it; `work` is what it computes
    beside shared stages, in any unit.
    """

    @property
    def is_begun(self) -> bool: ...

    @property
    def work(self) -> float: ...


Candidate = TypeVar("Candidate", bound=Waits)


def pick(
    waiting: Sequence[Candidate], running: Iterable[NeedsStages], is_built: Callable[[Stage], bool]
) -> Candidate | None:
    """The one of `waiting` to start next, None if each needs a stage that one of `running` is building.

    Of those that may start, one that was begun goes first, as it did then; then the one with the most stages
    to build, since others may be waiting for them; then the one with the most work, so that no long trial is
    the last to run, alone (longest processing time first, Graham 1969, doi 10.1137/0117039); among equals,
    the first.
    """
    building = {stage.digest for candidate in running for stage in candidate.stages if not is_built(stage)}
    best: Candidate | None = None
    most = (False, -1, 0.0)
    for candidate in waiting:
        unbuilt = [stage.digest for stage in candidate.stages if not is_built(stage)]
        rank = (candidate.is_begun, len(unbuilt), candidate.work)
        if rank > most and building.isdisjoint(unbuilt):
            best, most = candidate, rank
    return best
