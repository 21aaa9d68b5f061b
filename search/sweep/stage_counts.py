"""How many stages the search space can ask for, and how many of them are built."""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.sources import Sources
from crtcore.errors import ConfigError
from crtcore.pipeline import plan
from crtcore.searchconfig import Choices, FloatRange
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore

# The settings that change a stage before `finetune`. All are discrete, so those stages can be counted.
SHARED_SECTIONS: Final = ("spectrogram.", "pretrain.")
SHARED_KEYS: Final = ("finetune.frozen_groups",)
HEAD_KEY: Final = "finetune.head"  # changes no shared stage, but some heads exclude some frozen_groups


@dataclass(frozen=True, kw_only=True)
class StageCount:
    """How many different stages of one kind the search space can ask for, and how many of them are built."""

    name: str
    num_stages: int
    num_built: int


def stage_counts(store: StageStore, experiment: Experiment, sources: Sources) -> tuple[StageCount, ...]:
    """One count per kind of stage before `finetune`, in the order in which they are built."""
    stages: dict[str, Stage] = {}
    for variant in variants_of(experiment):
        stages_of_variant = plan(variant, sources)
        for stage in (*stages_of_variant.shards, *stages_of_variant.shared):
            stages[str(stage)] = stage
    num_stages = Counter(stage.name for stage in stages.values())
    num_built = Counter(stage.name for stage in stages.values() if store.find(stage) is not None)
    return tuple(
        StageCount(name=name, num_stages=num, num_built=num_built[name]) for name, num in num_stages.items()
    )


def variants_of(experiment: Experiment) -> Iterator[Experiment]:
    """The experiment with every combination of the searched settings that a stage before `finetune` depends
    on. A combination that every head of the search excludes is left out.
    """
    shared = {
        key: _options(options)
        for key, options in experiment.search.space.items()
        if key.startswith(SHARED_SECTIONS) or key in SHARED_KEYS
    }
    own_head = experiment.finetune.head
    options = _options(experiment.search.space.get(HEAD_KEY, (own_head,)))
    heads = sorted(options, key=lambda head: head != own_head)  # the experiment's own head first
    for values in itertools.product(*shared.values()):
        combination = dict(zip(shared, values, strict=True))
        for head in heads:
            try:
                yield override(experiment, {**combination, HEAD_KEY: head})
            except ConfigError:  # this head does not allow these frozen_groups
                continue
            break


def _options(options: FloatRange | Choices) -> tuple[bool | int | float | str, ...]:
    """The values of a setting. The only shared one that may be a range is a range of whole numbers."""
    if isinstance(options, FloatRange):
        return tuple(range(int(options.low), int(options.high) + 1))
    return options
