"""Which proposal may run now: never two trials on one unbuilt stage."""

import itertools
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore


class Built:
    """Whether a stage is in the store, which is asked once until its answer is forgotten."""

    def __init__(self, store: StageStore) -> None:
        self._store = store
        self._known: dict[str, bool] = {}  # by digest

    def __call__(self, stage: Stage) -> bool:
        if stage.digest not in self._known:
            self._known[stage.digest] = self._store.find(stage) is not None
        return self._known[stage.digest]

    def forget(self, stages: Iterable[Stage]) -> None:
        """These may have been built meanwhile."""
        for stage in stages:
            self._known.pop(stage.digest, None)


class NeedsStages(Protocol):
    """Anything that is run to build stages, of which all but the last may serve others too."""

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


class Queue(Generic[Candidate]):
    """What waits, and what runs meanwhile.

    Candidates with the same shared stages stand in one line, as they should be run: then a choice looks at
    the heads of the lines, of which there are few, and not at each candidate.
    """

    def __init__(self, is_built: Callable[[Stage], bool]) -> None:
        self._is_built = is_built
        # By the digests of the shared stages. A place in a line is (not begun, -work, order of arrival).
        self._lines: dict[tuple[str, ...], list[tuple[bool, float, int, Candidate]]] = defaultdict(list)
        self._alike: dict[str, list[Candidate]] = defaultdict(list)  # by the digest of the last stage
        self._num_users: Counter[str] = Counter()  # of stages by what runs
        self._arrivals = itertools.count()
        self._length = 0

    def __len__(self) -> int:
        """How many wait."""
        return self._length

    def add(self, candidate: Candidate) -> None:
        """It waits."""
        insort(
            self._lines[_shared(candidate)],
            (not candidate.is_begun, -candidate.work, next(self._arrivals), candidate),
        )
        self._alike[candidate.stages[-1].digest].append(candidate)
        self._length += 1

    def remove(self, candidate: Candidate) -> None:
        """It waits no more."""
        line = self._lines[_shared(candidate)]
        del line[next(place for place, (*_, other) in enumerate(line) if other is candidate)]
        if not line:
            del self._lines[_shared(candidate)]
        last = candidate.stages[-1].digest
        alike = [other for other in self._alike.pop(last) if other is not candidate]
        if alike:
            self._alike[last] = alike
        self._length -= 1

    def start(self, candidate: NeedsStages) -> None:
        """It runs: until its end nobody else builds a stage of its."""
        self._num_users.update(stage.digest for stage in candidate.stages)

    def end(self, candidate: NeedsStages) -> None:
        """It runs no more."""
        self._num_users.subtract(stage.digest for stage in candidate.stages)

    def with_last(self, stage: Stage) -> tuple[Candidate, ...]:
        """Those that wait to build `stage` at their end, in the order of their arrival."""
        return tuple(self._alike.get(stage.digest, ()))

    def pick(self) -> Candidate | None:
        """The one to start next, None if each needs a stage that is being built.

        Of those that may start, one that was begun goes first, as it did then; then the one with the most
        stages to build, since others may be waiting for them; then the one with the most work, so that no
        long trial is the last to run, alone (longest processing time first, Graham 1969, doi
        10.1137/0117039); among equals, the first.
        """
        best: Candidate | None = None
        most = (False, -1, 0.0, 0)
        for line in self._lines.values():
            unbuilt = self._unbuilt(line[0][-1].stages[:-1])
            if unbuilt is None:
                continue
            for not_begun, less_work, arrival, candidate in line:
                if (not not_begun, unbuilt + 1, -less_work, -arrival) <= most:
                    break  # nor can those behind it be better
                own = self._unbuilt(candidate.stages[-1:])
                if own is not None:
                    rank = (not not_begun, unbuilt + own, -less_work, -arrival)
                    if rank > most:
                        best, most = candidate, rank
        return best

    def _unbuilt(self, stages: tuple[Stage, ...]) -> int | None:
        """How many of these must be built; None if one is being built."""
        unbuilt = [stage.digest for stage in stages if not self._is_built(stage)]
        return None if any(self._num_users[digest] for digest in unbuilt) else len(unbuilt)


def _shared(candidate: NeedsStages) -> tuple[str, ...]:
    return tuple(stage.digest for stage in candidate.stages[:-1])
