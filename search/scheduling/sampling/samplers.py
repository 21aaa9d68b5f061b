"""The next point to try. It depends on the sweep's seed, the trial's number and the finished trials only,
not on the process that asks. So a sweep that was killed and resumed makes the proposals it would have made
anyway.
"""

import copy
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from crtcore.errors import ConfigError
from crtcore.searchconfig import SearchConfig
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
# A sampler is asked this often for a point that is allowed; after that, points are drawn at random.
MAX_REFUSED = 4
MAX_REFUSED_AT_RANDOM = 1000


class Sampling:
    """The sampler of a config on its space.

    `is_allowed` says whether a point may be proposed. `first` are points to propose before the sampler's own;
    a point may leave parameters to the sampler.
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
        """How many proposals the sweep makes in all: `search.trials`, or fewer if a grid has fewer points."""
        return min(self._search.trials, len(self._grid)) if self._grid else self._search.trials

    def propose(self, study: optuna.Study, number: int) -> FrozenTrial:
        """Trial `number`, WAITING, with its parameters and what its sampler needs to find with it. It is not
        written to the study.

        Raises ConfigError if no point is allowed.
        """
        if self._grid:
            return self._trial(self._grid[number])
        name = self._search.sampler
        trials = [] if name == "random" else [_seen(trial) for trial in study.get_trials(deepcopy=False)]
        for attempt in range(MAX_REFUSED):
            trial = self._ask(name, trials, number, attempt)
            if self._is_allowed(trial.params):
                return trial
        for attempt in range(MAX_REFUSED, MAX_REFUSED + MAX_REFUSED_AT_RANDOM):
            trial = self._ask("random", [], number, attempt)
            if self._is_allowed(trial.params):
                return trial
        raise _nothing_allowed(self._search)

    def _ask(self, name: str, trials: Sequence[FrozenTrial], number: int, attempt: int) -> FrozenTrial:
        names = ("sampler", number, attempt) if attempt else ("sampler", number)
        # NumPy's legacy generator, which Optuna uses, takes 32-bit seeds.
        sampler = SAMPLERS[name](child_seed(self._seed, *names) % 2**32)
        # A copy of the study in memory is asked: `ask` writes a trial and its parameters one by one, but the
        # real study must get them all at once.
        study = optuna.create_study(
            directions=[DIRECTIONS[objective] for objective in self._search.objectives], sampler=sampler
        )
        study.add_trials(trials)
        if number < len(self._first):
            study.enqueue_trial(self._first[number])
        study.ask(self._space)
        asked = study.get_trials(deepcopy=False)[-1]
        kept = {key: value for key, value in asked.system_attrs.items() if key == GENERATION}
        return self._trial(asked.params, kept)

    def _trial(self, params: Params, system_attrs: Mapping[str, Any] | None = None) -> FrozenTrial:
        return create_trial(
            state=TrialState.WAITING,
            params=dict(params),
            distributions=dict(self._space),
            system_attrs=dict(system_attrs or {}),
        )


def _seen(trial: FrozenTrial) -> FrozenTrial:
    """A trial for the sampler to see: one that waits counts as running, since it will be run."""
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
        f"no point of search.space keeps search.constraints ({bounds or 'none'}) with settings that can be "
        "combined; raise the bound, or add choices such as more frozen groups"
    )
