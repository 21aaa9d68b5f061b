"""When a trial is stopped early, decided from learning curves alone.

The rules are those of Optuna's pruners, and the tests compare the decisions. Optuna's successive halving
writes each decision to the study. If the driver dies between that write and the end of the trial, Optuna
lets the trial continue when it is asked again. Here only the curves count, so the answer is always the same.
"""

import statistics
from bisect import insort
from collections import defaultdict
from collections.abc import Mapping

from crtcore.evaluation.early_stopping import bracket_of, is_rung
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
        """Asynchronous successive halving: at a rung a trial continues if it is among the best
        1 / reduction_factor of all trials that reached it.
        """
        epoch = max(curve)
        if not is_rung(self._scheduler, bracket, epoch):
            return False
        values = self._values[bracket, epoch]
        return curve[epoch] < values[-max(1, len(values) // self._scheduler.reduction_factor)]

    def _bracket(self, number: int) -> int:
        return bracket_of(self._scheduler, self._name, number, num_epochs=self._num_epochs)

    def _is_below_median(self, curve: Curve) -> bool:
        """Whether the best value so far is worse than what half of the complete trials had by this epoch."""
        values = self._complete[max(curve)]
        if self._num_complete < self._scheduler.startup_trials or not values:
            return False
        return max(curve.values()) < statistics.median(values)
