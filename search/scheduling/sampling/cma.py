"""CMA-ES on a study, without a pickle in the study.

The algorithm of Optuna's CmaEsSampler, on the same library (`cmaes`). Here the study stores only the
generation of each trial, and the optimiser's state is computed again from the finished trials. So a proposal
depends on them and on the seed alone, even in a sweep that was killed and resumed.

Why not a ready-made sampler (looked at in Optuna 5.0.0):
- Optuna's CmaEsSampler stores a pickle of its optimiser in the study and loads it from there. Anyone who can
  write to the study could run code in the driver. It has no JSON state.
- OptunaHub's CmaEsSampler (optunahub-registry pull request 269) can keep its state in memory, where a killed
  sweep loses it. OptunaHub also downloads samplers when they are used; they are not packages.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import cmaes
import numpy as np
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from crtcore.signal.recording import FloatArray
from search.study.attributes import generation_of, write_generation

SIGMA = 1 / 6  # of the first generation; the space is the unit cube
MAX_RESAMPLING_PER_DIMENSION = 10

Numeric = FloatDistribution | IntDistribution


class ReplayedCmaEs(BaseSampler):
    """CMA-ES (Hansen & Ostermeier 2001, doi 10.1162/106365601750190398) over the ranges of a space.

    Lists of choices, and the whole first trial, are left to TPE. The first generation is centred in the
    middle of the space. Pruned and failed trials are ignored.
    """

    def __init__(self, *, seed: int) -> None:
        self._seed = seed
        self._others = TPESampler(seed=seed)
        self._space = IntersectionSearchSpace()

    def reseed_rng(self) -> None:
        """Do nothing: each process makes its own sampler with its own seed."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The ranges that all trials so far share."""
        common = self._space.calculate(study)
        return {
            name: distribution
            for name, distribution in common.items()
            if isinstance(distribution, Numeric) and not distribution.single()
        }

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A point of the current generation. Raises ValueError if the study has several objectives."""
        if len(study.directions) > 1:
            raise ValueError("CMA-ES takes one objective, but the study has several (multi-objective)")
        axes = {name: axis for name, axis in search_space.items() if isinstance(axis, Numeric)}
        rest = {
            name: self.sample_independent(study, trial, name, distribution)
            for name, distribution in search_space.items()
            if name not in axes
        }
        if not axes:
            return rest
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1  # `cmaes` minimises
        optimizer = _replay(axes, complete, sign=sign, seed=self._seed)
        point = optimizer.ask()
        write_generation(study, trial, optimizer.generation)
        return rest | {
            name: _from_unit(axis, unit) for (name, axis), unit in zip(axes.items(), point, strict=True)
        }

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A value for a parameter that is not a range."""
        if len(study.directions) > 1:
            raise ValueError("CMA-ES takes one objective, but the study has several (multi-objective)")
        return self._others.sample_independent(study, trial, param_name, param_distribution)


def _replay(
    axes: Mapping[str, Numeric], complete: Sequence[FrozenTrial], *, sign: int, seed: int
) -> cmaes.CMA:
    """The optimiser after all generations that have enough complete trials. Random numbers are drawn only
    for new points, so `seed` is that of the next point.
    """
    num_axes = len(axes)
    optimizer = cmaes.CMA(
        mean=np.full(num_axes, 0.5),
        sigma=SIGMA,
        bounds=np.tile([0.0, 1.0], (num_axes, 1)),
        seed=seed,
        n_max_resampling=MAX_RESAMPLING_PER_DIMENSION * num_axes,
    )
    by_generation: dict[int, list[FrozenTrial]] = defaultdict(list)
    for trial in complete:
        generation = generation_of(trial)
        if generation is not None and axes.keys() <= trial.params.keys():
            by_generation[generation].append(trial)
    while len(trials := by_generation[optimizer.generation]) >= optimizer.population_size:
        population = trials[: optimizer.population_size]
        optimizer.tell([(_to_unit(axes, trial.params), sign * _value(trial)) for trial in population])
    return optimizer


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None, trial.number  # it is complete
    return trial.value


def _to_unit(axes: Mapping[str, Numeric], params: Mapping[str, Any]) -> FloatArray:
    units = []
    for name, axis in axes.items():
        low, high = _bounds(axis)
        value = math.log(params[name]) if axis.log else float(params[name])
        units.append(min(1.0, max(0.0, (value - low) / (high - low))))
    return np.array(units)


def _from_unit(axis: Numeric, unit: float) -> int | float:
    low, high = _bounds(axis)
    scaled = low + float(unit) * (high - low)
    value = math.exp(scaled) if axis.log else scaled
    if axis.step is not None:
        value = axis.low + round((value - axis.low) / axis.step) * axis.step
    value = min(max(value, axis.low), axis.high)
    return round(value) if isinstance(axis, IntDistribution) else value


def _bounds(axis: Numeric) -> tuple[float, float]:
    """The values that 0 and 1 stand for. The ends of a stepped axis get half a step more, so that all steps
    are equally wide.
    """
    half = 0.5 * axis.step if axis.step is not None else 0.0
    low, high = axis.low - half, axis.high + half
    return (math.log(low), math.log(high)) if axis.log else (low, high)
