"""Failures in a row for one reason. They say that the cause is not the trials, so the sweep should stop."""

from typing import Final

MAX_SAME_FAILURES: Final = 3


class FailureStreak:
    """The newest trials that ended, as long as all of them failed for one reason."""

    def __init__(self) -> None:
        self._reason = ""
        self._length = 0

    def end(self) -> None:
        """A trial ended in another way: complete, pruned, or failed for a reason of its own."""
        self._length = 0

    def add(self, reason: str) -> str:
        """A trial failed for `reason`. Returns why the sweep must be halted; "" if it may continue."""
        self._length = self._length + 1 if self._length and reason == self._reason else 1
        self._reason = reason
        if self._length < MAX_SAME_FAILURES:
            return ""
        return f"{self._length} trials in a row failed; first fix this cause: {reason}"
