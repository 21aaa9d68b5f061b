"""Which proposal may run now: never two trials on one unbuilt stage."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from crtcore.stages import Stage


class NeedsStages(Protocol):
    """Anything that is run to build stages."""

    @property
    def stages(self) -> tuple[Stage, ...]: ...


Candidate = TypeVar("Candidate", bound=NeedsStages)


def pick(
    waiting: Sequence[Candidate], running: Iterable[NeedsStages], is_built: Callable[[Stage], bool]
) -> Candidate | None:
    """The one of `waiting` to start next, None if each needs a stage that one of `running` is building.

    Of those that may start, the one with the most to build goes first, since others may be waiting for it;
    among equals, the first.
    """
    building = {stage.digest for candidate in running for stage in candidate.stages if not is_built(stage)}
    best: Candidate | None = None
    most = -1
    for candidate in waiting:
        unbuilt = {stage.digest for stage in candidate.stages if not is_built(stage)}
        if unbuilt.isdisjoint(building) and len(unbuilt) > most:
            best, most = candidate, len(unbuilt)
    return best
