"""How many stages a search can ask for, and how many are built."""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from crtcore.config import Choices, Experiment, FloatRange
from crtcore.configfile import override
from crtcore.data.recording_shard import arrhythmia_jobs, cohort_jobs
from crtcore.data.sources import Sources
from crtcore.pipeline import plan
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore

# The knobs that stages before `finetune` depend on; all are discrete, so their stages can be counted.
SHARED_SECTIONS = ("spectrogram.", "pretrain.")


SHARED_KEYS = ("finetune.frozen_groups",)


@dataclass(frozen=True, kw_only=True)
class StageCount:
    """How many different stages of one kind the search space can ask for, and how many of them are built."""

    name: str
    num_stages: int
    num_built: int


def stage_counts(store: StageStore, experiment: Experiment, sources: Sources) -> tuple[StageCount, ...]:
    stages: dict[str, Stage] = {}
    for variant in variants_of(experiment):
        jobs = (*arrhythmia_jobs(variant, sources), *cohort_jobs(variant, sources))
        for stage in (*(job.stage for job in jobs), *plan(variant, sources).shared):
            stages[str(stage)] = stage
    num_stages = Counter(stage.name for stage in stages.values())
    num_built = Counter(stage.name for stage in stages.values() if store.find(stage) is not None)
    return tuple(
        StageCount(name=name, num_stages=num, num_built=num_built[name]) for name, num in num_stages.items()
    )


def variants_of(experiment: Experiment) -> Iterator[Experiment]:
    """The experiment under every combination of the searched knobs that shared stages depend on."""
    shared = {
        key: _options(options)
        for key, options in experiment.search.space.items()
        if key.startswith(SHARED_SECTIONS) or key in SHARED_KEYS
    }
    for values in itertools.product(*shared.values()):
        yield override(experiment, dict(zip(shared, values, strict=True)))


def _options(options: FloatRange | Choices) -> tuple[bool | int | float | str, ...]:
    """The values of a shared knob; the only one that may be a range is a whole number."""
    if isinstance(options, FloatRange):
        return tuple(range(int(options.low), int(options.high) + 1))
    return options
