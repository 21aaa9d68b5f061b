"""When a trial is stopped early, decided from learning curves alone.

The rules are those of Optuna's pruners, and the tests compare the decisions. Optuna's successive halving
writes each decision to the study. If the driver dies between that write and the end of the trial, Optuna
lets the trial continue when it is asked again. Here only the curves count, so the answer is always the same.
"""

import binascii
import math
import statistics
from bisect import insort
from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property

from crtcore.searchconfig import SchedulerConfig

Curve = Mapping[int, float]  # epoch -> value, higher is better


class Pruner:
    """The scheduler of sweep `name`, whose trials have `num_epochs` epochs if they are not stopped.

    It gets each point of each trial's curve once, in any order, and keeps them sorted. A decision then takes
    the same time after ten trials as after ten thousand.
    """

    def __init__(self, scheduler: SchedulerConfig, *, name: str, num_epochs: int) -> None:
        self._scheduler = scheduler
        self._name = name
        self._num_epochs = num_epochs
        # Ascending values of all trials, by bracket and epoch.
        self._values: dict[tuple[int, int], list[float]] = defaultdict(list)
        self._complete: dict[int, list[float]] = defaultdict(list)  # of complete trials, by epoch
        self._num_complete = 0

    def add_point(self, number: int, epoch: int, value: float) -> None:
        """Trial `number` reached `epoch` with `value`."""
        insort(self._values[self._bracket(number), epoch], value)

    def add_complete(self, curve: Curve) -> None:
        """A trial with this curve ran to its end."""
        self._num_complete += 1
        for epoch, value in curve.items():
            insort(self._complete[epoch], value)

    def is_out(self, number: int, curve: Curve) -> bool:
        """Whether trial `number`, which is not complete, stops after the newest epoch of its curve. All
        points of the curve were added before.
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
        epochs. At a rung a trial continues if it is among the best 1 / reduction_factor of all trials that
        reached it. The best trial always continues.
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
        """Hyperband's bracket of a trial; 0 for other schedulers. A hash of the trial's number chooses it, in
        proportion to the trials that each bracket should get. Optuna's HyperbandPruner does the same.
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
