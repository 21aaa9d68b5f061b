"""When a trial is stopped early, decided from curves alone.

The rules are those of Optuna's pruners (same decisions, see the tests). Its successive halving writes each
rung it decides to the study and, asked again after a crash between that write and the trial's end, lets the
trial go on. Here the curves are all there is, so the answer can be asked for again.
"""

import binascii
import math
import statistics
from bisect import insort
from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property

from crtcore.config import SchedulerConfig

Curve = Mapping[int, float]  # epoch -> value, higher is better


class Pruner:
    """A scheduler on a sweep: `name` is the sweep's, `num_epochs` how long its trials are if none stops.

    It is told of each point of each trial's curve once, in any order, and keeps them sorted: a decision
    costs the same whether ten trials came before or ten thousand.
    """

    def __init__(self, scheduler: SchedulerConfig, *, name: str, num_epochs: int) -> None:
        self._scheduler = scheduler
        self._name = name
        self._num_epochs = num_epochs
        # Ascending values, by bracket and epoch: of all trials there, whatever became of them.
        self._values: dict[tuple[int, int], list[float]] = defaultdict(list)
        self._complete: dict[int, list[float]] = defaultdict(list)  # by epoch, of complete trials
        self._num_complete = 0

    def see(self, number: int, epoch: int, value: float) -> None:
        """Trial `number` came to `epoch` with `value`."""
        insort(self._values[self._bracket(number), epoch], value)

    def see_complete(self, curve: Curve) -> None:
        """A trial with this curve ran to its end."""
        self._num_complete += 1
        for epoch, value in curve.items():
            insort(self._complete[epoch], value)

    def is_out(self, number: int, curve: Curve) -> bool:
        """Whether trial `number`, which is not complete, stops after the newest epoch of its curve; the
        curve's points were told of before.
        """
        match self._scheduler.name:
            case "asha" | "hyperband":
                return self._is_behind(curve, self._bracket(number))
            case "median":
                return max(curve) >= self._scheduler.grace_epochs and self._is_below_median(curve)
            case "none":
                return False

    def _is_behind(self, curve: Curve, bracket: int) -> bool:
        """Asynchronous successive halving: rungs are at grace_epochs * reduction_factor ** (bracket + k)
        epochs. At a rung a trial goes on if it is among the best 1 / reduction_factor of all trials that came
        so far (at least: if it is the best).
        """
        factor, epoch = self._scheduler.reduction_factor, max(curve)
        rung = self._scheduler.grace_epochs * factor**bracket
        while rung < epoch:
            rung *= factor
        if rung != epoch:
            return False
        values = self._values[bracket, epoch]
        return curve[epoch] < values[-max(1, len(values) // factor)]

    def _bracket(self, number: int) -> int:
        """Hyperband's bracket of a trial (of other schedulers, 0): by a hash, in proportion to the trials
        each bracket should have, as in Optuna's HyperbandPruner, which says why: brackets that wait for their
        rungs would hold up slots.
        """
        if self._scheduler.name != "hyperband":
            return 0
        place = binascii.crc32(f"{self._name}_{number}".encode()) % sum(self._shares)
        bracket = 0
        while place >= self._shares[bracket]:
            place -= self._shares[bracket]
            bracket += 1
        return bracket

    @cached_property
    def _shares(self) -> list[int]:
        scheduler = self._scheduler
        span = max(1.0, self._num_epochs / scheduler.grace_epochs)
        num_brackets = math.floor(math.log(span, scheduler.reduction_factor)) + 1
        return [
            math.ceil(num_brackets * scheduler.reduction_factor**left / (left + 1))
            for left in reversed(range(num_brackets))
        ]

    def _is_below_median(self, curve: Curve) -> bool:
        """Whether the best value so far is worse than what half of the complete trials had by this epoch."""
        values = self._complete[max(curve)]
        if self._num_complete < self._scheduler.startup_trials or not values:
            return False
        return max(curve.values()) < statistics.median(values)
