"""The best points of another sweep, as the first points of this one."""

from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from crtcore.config import Experiment
from crtcore.errors import ConfigError, SweepError
from search.scheduling.sampling.samplers import Params
from search.scheduling.sampling.space import distributions
from search.study.attributes import WARM_START
from search.study.study import open_study


def first_points(study: optuna.Study, experiment: Experiment, other: str | None) -> list[Params]:
    """The points that a sweep proposes first: the best trial of sweep `other` in the same storage, or with
    several objectives its Pareto front. A parameter that this sweep does not search, or whose value is
    outside its range, is left to the sampler.

    The points are stored in the study, so a resumed sweep uses them again, whether `other` is given or not.

    Raises ConfigError for a grid; SweepError if the sweep already has trials from other points, or if no
    parameter of `other` can be used.
    """
    kept = WARM_START.of(study)
    if other is None or (kept is not None and kept["sweep"] == other):
        return [] if kept is None else kept["points"]
    if experiment.search.sampler == "grid":
        raise ConfigError(
            "--warm-start has no effect with search.sampler grid, which visits every point; leave it out"
        )
    if study.get_trials(deepcopy=False):
        began = f"with --warm-start {kept['sweep']}" if kept else "without --warm-start"
        raise SweepError(
            f"sweep {experiment.name} was started {began}; only a new sweep can take a warm start, so give "
            "another --name"
        )
    space = distributions(experiment.search)
    points: list[Params] = []
    for trial in _best(open_study(experiment.storage, other, create=False), other):
        point = {key: value for key, value in trial.params.items() if _includes(space.get(key), value)}
        if point and point not in points:
            points.append(point)
    if not points:
        raise SweepError(
            f"--warm-start {other}: search.space holds no parameter of its best trial; search the same keys "
            "over ranges that include its values, or leave --warm-start out"
        )
    WARM_START.write(study, {"sweep": other, "points": points})
    return points


def _best(study: optuna.Study, name: str) -> list[optuna.trial.FrozenTrial]:
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        raise SweepError(f"--warm-start {name}: the sweep has no complete trial yet; run it first")
    return study.best_trials if len(study.directions) > 1 else [study.best_trial]


def _includes(distribution: BaseDistribution | None, value: Any) -> bool:
    match distribution:
        case CategoricalDistribution(choices=choices):
            return value in choices
        case FloatDistribution(low=low, high=high):
            return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        case IntDistribution(low=low, high=high):
            return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    return False
