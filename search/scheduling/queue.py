"""Which proposal runs next. Two trials never build the same stage at the same time."""

import itertools
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore


class Built:
    """Whether a stage is in the store. The answer is kept until it is forgotten."""

    def __init__(self, store: StageStore) -> None:
        self._store = store
        self._known: dict[str, bool] = {}  # by digest

    def __call__(self, stage: Stage) -> bool:
        if stage.digest not in self._known:
            self._known[stage.digest] = self._store.find(stage) is not None
        return self._known[stage.digest]

    def forget(self, stages: Iterable[Stage]) -> None:
        """Ask the store again about these stages: they may have been built."""
        for stage in stages:
            self._known.pop(stage.digest, None)


class NeedsStages(Protocol):
    """Something that builds stages when it runs. All but the last are shared with others."""

    @property
    def stages(self) -> tuple[Stage, ...]: ...


class Waits(NeedsStages, Protocol):
    """Something that waits to run. `is_begun` says that an earlier run of the sweep started it; `work` is how
    much it computes apart from shared stages, in any unit.
    """

    @property
    def is_begun(self) -> bool: ...

    @property
    def work(self) -> float: ...


Candidate = TypeVar("Candidate", bound=Waits)


class Queue(Generic[Candidate]):
    """The candidates that wait, and the stages that are being built.

    Candidates with the same shared stages form one line, sorted by who should run first. So `pick` looks at
    the head of each line, of which there are few, and not at every candidate.
    """

    def __init__(self, is_built: Callable[[Stage], bool]) -> None:
        self._is_built = is_built
        # By the digests of the shared stages. A line is sorted by (not begun, -work, order of arrival).
        self._lines: dict[tuple[str, ...], list[tuple[bool, float, int, Candidate]]] = defaultdict(list)
        self._by_last: dict[str, list[Candidate]] = defaultdict(list)  # by the digest of the last stage
        self._num_users: Counter[str] = Counter()  # of stages, among what runs
        self._arrivals = itertools.count()
        self._length = 0

    def __len__(self) -> int:
        """The number of waiting candidates."""
        return self._length

    def add(self, candidate: Candidate) -> None:
        """Add a waiting candidate."""
        insort(
            self._lines[_shared(candidate)],
            (not candidate.is_begun, -candidate.work, next(self._arrivals), candidate),
        )
        self._by_last[candidate.stages[-1].digest].append(candidate)
        self._length += 1

    def remove(self, candidate: Candidate) -> None:
        """Remove a waiting candidate."""
        line = self._lines[_shared(candidate)]
        del line[next(place for place, (*_, other) in enumerate(line) if other is candidate)]
        if not line:
            del self._lines[_shared(candidate)]
        last = candidate.stages[-1].digest
        others = [other for other in self._by_last.pop(last) if other is not candidate]
        if others:
            self._by_last[last] = others
        self._length -= 1

    def start(self, candidate: NeedsStages) -> None:
        """Mark a candidate as running: nothing else may build its stages until `end`."""
        self._num_users.update(stage.digest for stage in candidate.stages)

    def end(self, candidate: NeedsStages) -> None:
        """Mark a candidate as no longer running."""
        self._num_users.subtract(stage.digest for stage in candidate.stages)

    def with_last(self, stage: Stage) -> tuple[Candidate, ...]:
        """The waiting candidates whose last stage is `stage`, in order of arrival."""
        return tuple(self._by_last.get(stage.digest, ()))

    def pick(self) -> Candidate | None:
        """The candidate to start next; None if every candidate needs a stage that is being built.

        First come candidates that an earlier run started; then those with the most stages to build, because
        others may wait for these stages; then those with the most work, so that no long trial runs alone at
        the end (longest processing time first, Graham 1969, doi 10.1137/0117039); then the oldest.
        """
        best: Candidate | None = None
        most = (False, -1, 0.0, 0)
        for line in self._lines.values():
            unbuilt = self._unbuilt(line[0][-1].stages[:-1])
            if unbuilt is None:
                continue
            for not_begun, less_work, arrival, candidate in line:
                if (not not_begun, unbuilt + 1, -less_work, -arrival) <= most:
                    break  # those behind it cannot be better
                own = self._unbuilt(candidate.stages[-1:])
                if own is not None:
                    rank = (not not_begun, unbuilt + own, -less_work, -arrival)
                    if rank > most:
                        best, most = candidate, rank
        return best

    def _unbuilt(self, stages: tuple[Stage, ...]) -> int | None:
        """How many of these stages are still to be built; None if one of them is being built."""
        unbuilt = [stage.digest for stage in stages if not self._is_built(stage)]
        return None if any(self._num_users[digest] for digest in unbuilt) else len(unbuilt)


def _shared(candidate: NeedsStages) -> tuple[str, ...]:
    return tuple(stage.digest for stage in candidate.stages[:-1])
