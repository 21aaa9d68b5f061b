"""What a sweep may use. When a budget is used up, no stage is started any more; running ones are finished."""

from collections.abc import Callable
from typing import Literal

from crtcore.config import Experiment
from crtcore.errors import ConfigError

UsedUp = Literal["", "wall_clock", "gpu_hours"]


class Budget:
    """The budgets `wall_clock` and `gpu_hours`; `trials` is `Sampling`'s.

    `spent_s` is how long earlier runs of the sweep took. Raises ConfigError if GPU hours are limited but
    trials use no GPU.
    """

    def __init__(self, experiment: Experiment, *, spent_s: float, clock_s: Callable[[], float]) -> None:
        self._search = experiment.search
        self.gpus = experiment.resources.trial.gpus
        if self._search.gpu_hours is not None and self.gpus == 0:
            raise ConfigError(
                "search.gpu_hours is set, but a trial uses no GPU; set resources.trial.gpus, or limit "
                "search.wall_clock instead"
            )
        self._clock_s = clock_s
        self._start_s = clock_s() - spent_s

    @property
    def elapsed_s(self) -> float:
        """How long the sweep has run in all."""
        return self._clock_s() - self._start_s

    def used_up(self, gpu_s: Callable[[], float]) -> UsedUp:
        """The budget that is used up, if any. `gpu_s` gives the GPU seconds that trials have used."""
        search = self._search
        if search.wall_clock is not None and self.elapsed_s >= search.wall_clock:
            return "wall_clock"
        if search.gpu_hours is not None and gpu_s() >= 3600 * search.gpu_hours:
            return "gpu_hours"
        return ""
