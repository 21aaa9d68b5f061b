"""What another sweep found best, as the first points of this one."""

from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from crtcore.config import Experiment
from crtcore.errors import ConfigError, SweepError
from search.scheduling.sampling.samplers import Params
from search.scheduling.sampling.space import distributions
from search.study.attributes import WARM_START
from search.study.study import open_study


def first_points(study: optuna.Study, experiment: Experiment, other: str | None) -> list[Params]:
    """The points that a sweep proposes first: the best trial of sweep `other` of the same storage, or of
    several objectives those that none of its trials outdoes.

    Kept in the study when it starts, so that a sweep that is resumed, with or without naming `other` again,
    goes on with them. Of a point, what this sweep does not search, or not there, is left to the sampler.

    Raises SweepError if the sweep began without them, or nothing of `other` can be used.
    """
    kept = WARM_START.of(study)
    if other is None or (kept is not None and kept["sweep"] == other):
        return [] if kept is None else kept["points"]
    if experiment.search.sampler == "grid":
        raise ConfigError("--warm-start has no use with search.sampler grid, which visits every point anyway")
    if study.get_trials(deepcopy=False):
        began = f"from {kept['sweep']}" if kept else "without one"
        raise SweepError(
            f"sweep {experiment.name} began {began}; a warm start is for a new sweep, so give another --name"
        )
    space = distributions(experiment.search)
    points: list[Params] = []
    for trial in _best(open_study(experiment.storage, other, create=False), other):
        point = {key: value for key, value in trial.params.items() if _holds(space.get(key), value)}
        if point and point not in points:
            points.append(point)
    if not points:
        raise SweepError(
            f"--warm-start {other}: no parameter of its best trial can be searched here; search the same "
            "keys over ranges that hold its values, or leave --warm-start out"
        )
    WARM_START.write(study, {"sweep": other, "points": points})
    return points


def _best(study: optuna.Study, name: str) -> list[optuna.trial.FrozenTrial]:
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        raise SweepError(f"--warm-start {name}: the sweep has no complete trial yet; let it run first")
    return study.best_trials if len(study.directions) > 1 else [study.best_trial]


def _holds(distribution: BaseDistribution | None, value: Any) -> bool:
    if distribution is None:
        return False
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return value in distribution.choices
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and distribution._contains(distribution.to_internal_repr(value))
