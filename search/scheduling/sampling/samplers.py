"""The next point to try. A proposal depends on the sweep's seed, its own number and the finished trials,
never on the process that asks: so a sweep that was killed goes on with the proposals it would have made.
"""

import copy
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from crtcore.config import SearchConfig
from crtcore.errors import ConfigError
from crtcore.seeding import child_seed
from search.scheduling.sampling.cma import ReplayedCmaEs
from search.scheduling.sampling.objectives import DIRECTIONS
from search.study.attributes import GENERATION

Space = Mapping[str, BaseDistribution]
Params = dict[str, Any]

SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed),
    "gp": lambda seed: GPSampler(seed=seed, warn_independent_sampling=False),
    "cmaes": lambda seed: ReplayedCmaEs(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}
# Of the points that a sampler prefers, so many in a row may exceed a bound before any point will do; of
# those, so many before there seems to be none that does not.
MAX_REFUSED = 4
MAX_REFUSED_AT_RANDOM = 1000


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A point, and what its sampler must find with it in the study."""

    params: Params
    system_attrs: Mapping[str, Any] = field(default_factory=dict)


class Sampling:
    """The sampler of a config on its space.

    `is_allowed` says which points may be proposed at all, `first` are points, or parts of points, that are
    proposed before the sampler's own.
    """

    def __init__(
        self,
        search: SearchConfig,
        space: Space,
        *,
        seed: int,
        is_allowed: Callable[[Params], bool] = lambda params: True,
        first: Sequence[Params] = (),
    ) -> None:
        self._search = search
        self._space = dict(space)
        self._seed = seed
        self._is_allowed = is_allowed
        self._first = first
        self._grid: list[Params] = []
        if search.sampler == "grid":
            self._grid = [point for point in _grid(space) if is_allowed(point)]
            if not self._grid:
                raise _nothing_allowed(search)
            random.Random(child_seed(seed, "grid")).shuffle(self._grid)

    @property
    def num_proposals(self) -> int:
        """How many proposals the sweep makes in all: `search.trials`, or fewer if a grid has no more."""
        return min(self._search.trials, len(self._grid)) if self._grid else self._search.trials

    def propose(self, study: optuna.Study, number: int) -> Suggestion:
        """Trial `number`'s parameters; writes nothing to the study.

        Raises ConfigError if no point is allowed.
        """
        if self._grid:
            return Suggestion(params=self._grid[number])
        name = self._search.sampler
        trials = [] if name == "random" else [_seen(trial) for trial in study.get_trials(deepcopy=False)]
        for attempt in range(MAX_REFUSED):
            suggestion = self._ask(name, trials, number, attempt)
            if self._is_allowed(suggestion.params):
                return suggestion
        for attempt in range(MAX_REFUSED, MAX_REFUSED + MAX_REFUSED_AT_RANDOM):
            suggestion = self._ask("random", [], number, attempt)
            if self._is_allowed(suggestion.params):
                return suggestion
        raise _nothing_allowed(self._search)

    def _ask(self, name: str, trials: Sequence[FrozenTrial], number: int, attempt: int) -> Suggestion:
        names = ("sampler", number, attempt) if attempt else ("sampler", number)
        # NumPy's legacy generator, which Optuna uses, takes 32-bit seeds.
        sampler = SAMPLERS[name](child_seed(self._seed, *names) % 2**32)
        # Asked of a copy in memory: `ask` writes a trial and its parameters one by one, and the study gets
        # them all at once.
        study = optuna.create_study(
            directions=[DIRECTIONS[objective] for objective in self._search.objectives], sampler=sampler
        )
        study.add_trials(trials)
        if number < len(self._first):
            study.enqueue_trial(self._first[number])
        study.ask(self._space)
        trial = study.get_trials(deepcopy=False)[-1]
        attrs = {key: value for key, value in trial.system_attrs.items() if key == GENERATION}
        return Suggestion(params=trial.params, system_attrs=attrs)


def _seen(trial: FrozenTrial) -> FrozenTrial:
    """A trial as samplers shall see it: one that waits for a later run is, to them, running."""
    if trial.state != TrialState.WAITING:
        return trial
    running = copy.copy(trial)
    running.state = TrialState.RUNNING
    running.datetime_start = datetime.now(UTC)
    return running


def _grid(space: Space) -> list[Params]:
    axes = []
    for key, distribution in space.items():
        assert isinstance(distribution, CategoricalDistribution), key
        axes.append(distribution.choices)
    return [dict(zip(space, point, strict=True)) for point in itertools.product(*axes)]


def _nothing_allowed(search: SearchConfig) -> ConfigError:
    bounds = ", ".join(f"{name} at most {bound:,.0f}" for name, bound in search.constraints.items())
    return ConfigError(
        f"no point of search.space keeps search.constraints ({bounds or 'none'}) and consists of settings "
        "that go together; raise the bound, or add choices such as more frozen groups"
    )
