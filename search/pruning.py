"""When a trial is stopped early, decided from curves alone.

The rules are those of Optuna's pruners (same decisions, see the tests). Its successive halving writes each
rung it decides to the study and, asked again after a crash between that write and the trial's end, lets the
trial go on. Here the curves are all there is, so the answer can be asked for again.
"""

import binascii
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crtcore.config import SchedulerConfig

Curve = Mapping[int, float]  # epoch -> value, higher is better


@dataclass(frozen=True, kw_only=True)
class Other:
    """Another trial of the sweep: its number, its curve so far and whether it ran to its end."""

    number: int
    curve: Curve
    is_complete: bool


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A scheduler on a sweep: `name` is the sweep's, `num_epochs` how long its trials are if none stops."""

    scheduler: SchedulerConfig
    name: str
    num_epochs: int

    def is_out(self, number: int, curve: Curve, others: Iterable[Other]) -> bool:
        """Whether trial `number` stops after the newest epoch of its curve."""
        epoch = max(curve)
        match self.scheduler.name:
            case "asha":
                return self._is_behind(curve, 0, others)
            case "hyperband":
                bracket = self._bracket(number)
                inside = (other for other in others if self._bracket(other.number) == bracket)
                return self._is_behind(curve, bracket, inside)
            case "median":
                return epoch >= self.scheduler.grace_epochs and self._is_below_median(curve, others)
            case "none":
                return False

    def _is_behind(self, curve: Curve, bracket: int, others: Iterable[Other]) -> bool:
        """Asynchronous successive halving: rungs are at grace_epochs * reduction_factor ** (bracket + k)
        epochs. At a rung a trial goes on if it is among the best 1 / reduction_factor of all trials that came
        so far (at least: if it is the best).
        """
        factor, epoch = self.scheduler.reduction_factor, max(curve)
        rung = self.scheduler.grace_epochs * factor**bracket
        while rung < epoch:
            rung *= factor
        if rung != epoch:
            return False
        values = [curve[epoch], *(other.curve[epoch] for other in others if epoch in other.curve)]
        num_kept = max(1, len(values) // factor)
        return curve[epoch] < sorted(values, reverse=True)[num_kept - 1]

    def _bracket(self, number: int) -> int:
        """Hyperband's bracket of a trial: by a hash, in proportion to the trials each bracket should have, as
        in Optuna's HyperbandPruner, which says why: brackets that wait for their rungs would hold up slots.
        """
        scheduler = self.scheduler
        span = max(1.0, self.num_epochs / scheduler.grace_epochs)
        num_brackets = math.floor(math.log(span, scheduler.reduction_factor)) + 1
        shares = [
            math.ceil(num_brackets * scheduler.reduction_factor**left / (left + 1))
            for left in reversed(range(num_brackets))
        ]
        place = binascii.crc32(f"{self.name}_{number}".encode()) % sum(shares)
        bracket = 0
        while place >= shares[bracket]:
            place -= shares[bracket]
            bracket += 1
        return bracket

    def _is_below_median(self, curve: Curve, others: Iterable[Other]) -> bool:
        """Whether the best value so far is worse than what half of the complete trials had by this epoch."""
        epoch = max(curve)
        complete = [other.curve for other in others if other.is_complete]
        values = [other[epoch] for other in complete if epoch in other]
        if len(complete) < self.scheduler.startup_trials or not values:
            return False
        return max(curve.values()) < statistics.median(values)
