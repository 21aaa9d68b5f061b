"""The next point to try. A proposal depends on the sweep's seed, its own number and the finished trials,
never on the process that asks: so a sweep that was killed goes on with the proposals it would have made.
"""

import itertools
import random
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from crtcore.config import SearchConfig
from crtcore.seeding import child_seed

Space = Mapping[str, BaseDistribution]
Params = dict[str, Any]


def num_proposals(search: SearchConfig, space: Space) -> int:
    """How many proposals the sweep makes in all: `search.trials`, or fewer if a grid has no more points."""
    return min(search.trials, len(_grid(space))) if search.sampler == "grid" else search.trials


def propose(search: SearchConfig, space: Space, study: optuna.Study, *, seed: int, number: int) -> Params:
    """The parameters of trial `number`; writes nothing to the study."""
    if search.sampler == "grid":
        points = _grid(space)
        random.Random(child_seed(seed, "grid")).shuffle(points)
        return points[number]
    # NumPy's legacy generator, which Optuna uses, takes 32-bit seeds.
    sampler_seed = child_seed(seed, "sampler", number) % 2**32
    sampler: BaseSampler = (
        TPESampler(seed=sampler_seed) if search.sampler == "tpe" else RandomSampler(sampler_seed)
    )
    # Asked of a copy in memory: `ask` writes a trial and its parameters one by one, and the study gets them
    # all at once.
    copy = optuna.create_study(direction="maximize", sampler=sampler)
    copy.add_trials(study.get_trials(deepcopy=False))
    return copy.ask(dict(space)).params


def _grid(space: Space) -> list[Params]:
    axes = []
    for key, distribution in space.items():
        assert isinstance(distribution, CategoricalDistribution), key
        axes.append(distribution.choices)
    return [dict(zip(space, point, strict=True)) for point in itertools.product(*axes)]
