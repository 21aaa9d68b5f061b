"""A new study for a sweep whose study is lost or damaged, from the results in its stage store.

Stages keep their configs, so the parameters of a complete trial can be read from its stages. A point counts
only if this version would give it the very same digest. Pruned and failed trials have no last stage, so they
are gone.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.sources import Sources
from crtcore.errors import ConfigError, SweepError
from crtcore.pipeline import plan, read_sources
from crtcore.stages.listing import Listing
from search.scheduling.sampling.objectives import directions
from search.scheduling.sampling.space import distributions
from search.scheduling.trials import digests_of
from search.study.attributes import PROPOSAL, STAGES
from search.study.config import keep_identity, stored_experiment
from search.study.folder import URL_FILE, driver_lock, stage_store, study_file, sweep_dir
from search.study.ledger import Ledger
from search.study.study import is_damaged, open_study

Space = Mapping[str, BaseDistribution]


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """`num_results` complete trials of sweep `name` were found; the old study, if any, is now `moved_to`."""

    name: str
    num_results: int
    moved_to: str

    def sentences(self) -> tuple[str, ...]:
        """The recovery in words, and what to do next."""
        moved = f"The damaged study is kept as {self.moved_to}. " if self.moved_to else ""
        return (
            f"{moved}Sweep {self.name}: the results of {self.num_results} trials were found.",
            "Run `crtsearch sweep` with the same config: it reads these results and computes none again.",
            "Pruned and failed trials are lost; the sweep may try them again.",
        )


def recover(storage: str, name: str) -> Recovery:
    """Replace the damaged or missing study of a sweep by a new one that waits for its results.

    Raises SweepError if the study is intact or lies in a database, or if the sweep has no config.
    """
    experiment = stored_experiment(storage, name)
    old = study_file(storage, name)
    if old is not None and old.name == URL_FILE:
        raise SweepError(
            f"the study of sweep {name} lies in the database of {old}; restore that from a backup"
        )
    if old is not None and not is_damaged(storage, name):
        raise SweepError(f"the study of sweep {name} can be read; there is nothing to recover")
    sources = read_sources(experiment)
    folder = sweep_dir(storage, name)
    with driver_lock(folder):
        points = _points(experiment, sources)
        moved_to = ""
        if old is not None:
            moved = old.with_name(f"{old.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
            old.rename(moved)
            moved_to = str(moved)
        study = open_study(
            storage, name, create=True, kind=experiment.search.study, directions=directions(experiment)
        )
        keep_identity(study, folder, experiment, plan(experiment, sources))
        # A grid and a random search propose the same points again by themselves, in the same order.
        if experiment.search.sampler not in ("grid", "random"):
            ledger, space = Ledger(study), distributions(experiment.search)
            for number, params in enumerate(points):
                trial = create_trial(state=TrialState.WAITING, params=params, distributions=space)
                stages = plan(override(experiment, params), sources)
                ledger.add(trial, {**PROPOSAL.item(number), **STAGES.item(digests_of(stages))})
    return Recovery(name=name, num_results=len(points), moved_to=moved_to)


def _points(experiment: Experiment, sources: Sources) -> list[dict[str, Any]]:
    """The points of the search space whose last stage is in the store, in the order of their commits."""
    listing = Listing(stage_store(experiment.storage))
    space = distributions(experiment.search)
    points = []
    for entry in sorted(listing.stages.values(), key=lambda entry: entry.changed_s):
        if entry.key.name == "finetune":
            params = _params(listing, entry.digest, space)
            if params is not None and _digest(experiment, params, sources) == entry.digest:
                points.append(params)
    return points


def _digest(experiment: Experiment, params: Mapping[str, Any], sources: Sources) -> str | None:
    try:
        return plan(override(experiment, params), sources).finetune.digest
    except ConfigError:  # these settings cannot be combined, so they are not of this sweep
        return None


def _params(listing: Listing, digest: str, space: Space) -> dict[str, Any] | None:
    """The point that a stage was computed at, None if it is not in the space. A setting that its stages do
    not depend on gets the first value.
    """
    configs = _configs(listing, digest)
    params: dict[str, Any] = {}
    for key, distribution in space.items():
        section, _, field = key.partition(".")
        config = configs.get(section, {})
        if isinstance(distribution, CategoricalDistribution):
            value = config.get(field, distribution.choices[0])
            is_inside = value in distribution.choices
        else:
            assert isinstance(distribution, FloatDistribution | IntDistribution)
            value = config.get(field, distribution.low)
            is_inside = isinstance(value, int | float) and distribution.low <= value <= distribution.high
        if not is_inside:
            return None
        params[key] = value
    return params


def _configs(listing: Listing, digest: str) -> dict[str, Mapping[str, Any]]:
    """The configs that a `finetune` stage and its inputs hold, by the section of the user's config."""
    configs: dict[str, Mapping[str, Any]] = {}
    for each in (digest, *listing.closure([digest])):
        manifest = listing.manifest(each)
        if manifest is not None:
            name = listing.stages[each].key.name
            configs.setdefault(name, manifest.config)
            if name == "shard":
                configs.setdefault("spectrogram", manifest.config.get("spectrogram", {}))
    return configs
