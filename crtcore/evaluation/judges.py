"""The schedulers' rules in all bootstrap draws at once. `search/scheduling/pruning.py` has them for one
sweep, and the tests compare the decisions.

Legend: B draws, N reports.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from crtcore.evaluation.draws import Float64Vector
from crtcore.searchconfig import SchedulerConfig

BoolVector = npt.NDArray[np.bool_]


class Judge(Protocol):
    """It gets the reports of all trials in order."""

    def add(self, trial: int, bracket: int, epoch: int, value_B: Float64Vector) -> None:
        """Add a report, which is -inf in the draws that stopped the trial before."""

    def is_out(self, trial: int, bracket: int, epoch: int, value_B: Float64Vector) -> BoolVector:
        """Whether the trial stops in each draw after this report, which was added."""

    def complete(self, trial: int, is_complete_B: BoolVector) -> None:
        """The trial's last report was added; in these draws it ran to its end."""


class Halving:
    """Asynchronous successive halving. It gets reports at rungs only; `num_reports` counts those of each
    bracket and epoch.
    """

    def __init__(self, scheduler: SchedulerConfig, num_reports: Mapping[tuple[int, int], int]) -> None:
        self._factor = scheduler.reduction_factor
        self._num_reports = num_reports
        self._value_NB: dict[tuple[int, int], Float64Vector] = {}
        self._num_added: dict[tuple[int, int], int] = defaultdict(int)

    def add(self, trial: int, bracket: int, epoch: int, value_B: Float64Vector) -> None:
        rung = bracket, epoch
        if rung not in self._value_NB:
            self._value_NB[rung] = np.full((self._num_reports[rung], len(value_B)), -np.inf)
        self._value_NB[rung][self._num_added[rung]] = value_B
        self._num_added[rung] += 1

    def is_out(self, trial: int, bracket: int, epoch: int, value_B: Float64Vector) -> BoolVector:
        rung = bracket, epoch
        value_NB = self._value_NB[rung][: self._num_added[rung]]
        num_reached_B = (value_NB > -np.inf).sum(axis=0)
        num_better_B = (value_NB > value_B).sum(axis=0)
        return np.asarray(num_better_B >= np.maximum(1, num_reached_B // self._factor))

    def complete(self, trial: int, is_complete_B: BoolVector) -> None:
        """Nothing: only rungs count."""


class Median:
    """The median rule."""

    def __init__(self, scheduler: SchedulerConfig) -> None:
        self._scheduler = scheduler
        self._curve: dict[int, dict[int, Float64Vector]] = defaultdict(dict)  # trial -> epoch -> values
        self._best_B: dict[int, Float64Vector] = {}
        # Of complete trials, by epoch: ascending, +inf for draws in which the trial is not complete.
        self._complete_NB: dict[int, Float64Vector] = {}
        self._num_complete_B: npt.NDArray[np.int64] | None = None

    def add(self, trial: int, bracket: int, epoch: int, value_B: Float64Vector) -> None:
        self._curve[trial][epoch] = value_B
        self._best_B[trial] = np.maximum(self._best_B.get(trial, value_B), value_B)

    def is_out(self, trial: int, bracket: int, epoch: int, value_B: Float64Vector) -> BoolVector:
        if epoch < self._scheduler.grace_epochs or epoch not in self._complete_NB:
            return np.zeros(len(value_B), dtype=bool)
        value_NB = self._complete_NB[epoch]
        num_B = (value_NB < np.inf).sum(axis=0)
        assert self._num_complete_B is not None
        is_judged_B = (num_B > 0) & (self._num_complete_B >= self._scheduler.startup_trials)
        middle_2B = [np.maximum(num_B - 1, 0) // 2, np.minimum(num_B // 2, len(value_NB) - 1)]
        median_B = np.take_along_axis(value_NB, np.stack(middle_2B), axis=0).mean(axis=0)
        return np.asarray(is_judged_B & (self._best_B[trial] < median_B))

    def complete(self, trial: int, is_complete_B: BoolVector) -> None:
        if self._num_complete_B is None:
            self._num_complete_B = np.zeros(len(is_complete_B), dtype=np.int64)
        self._num_complete_B += is_complete_B
        for epoch, value_B in self._curve.pop(trial).items():
            added_1B = np.where(is_complete_B, value_B, np.inf)[None]
            others_NB = self._complete_NB.get(epoch, np.empty((0, len(value_B))))
            self._complete_NB[epoch] = np.sort(np.concatenate([others_NB, added_1B]), axis=0)


class Never:
    """No early stopping."""

    def add(self, trial: int, bracket: int, epoch: int, value_B: Float64Vector) -> None:
        """Nothing."""

    def is_out(self, trial: int, bracket: int, epoch: int, value_B: Float64Vector) -> BoolVector:
        return np.zeros(len(value_B), dtype=bool)

    def complete(self, trial: int, is_complete_B: BoolVector) -> None:
        """Nothing."""
