"""The session as a Tune searcher: hands out what can run now, and is told how trials end."""

from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from search.session import Session


class SessionSearcher(Searcher):
    """Tune asks it again and again while there is something to hand out; `num_slots` may change as nodes come
    and go.
    """

    def __init__(self, session: Session, num_slots: Callable[[], int]) -> None:
        super().__init__()
        self._session = session
        self._num_slots = num_slots
        self._numbers: dict[str, int] = {}  # Tune's id of a trial -> its number in the study

    # Ray declares a dict or None, and documents FINISHED, a string.
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next trial's config; None for "nothing now, ask again"; FINISHED."""
        if self._session.is_exhausted:
            return Searcher.FINISHED
        proposal = self._session.next(self._num_slots())
        if proposal is None:  # all slots are taken, or the last that waited was answered from the store
            return Searcher.FINISHED if self._session.is_exhausted else None
        self._numbers[trial_id] = proposal.number
        return {"number": proposal.number, "params": dict(proposal.params)}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Called once for each trial, after its last result or its last failure."""
        number = self._numbers.pop(trial_id)
        if not self._session.is_running(number):
            return  # it ended with a report: recorded there
        if error:
            self._session.fail(number)
        elif result is not None and "reason" in result:
            self._session.fail(number, result["reason"])
        elif result is not None and "halt" in result:
            self._session.halt(number, result["halt"])
        # Else it was stopped because the sweep is halted, and waits for the next run.

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a sweep goes on from its study."""
