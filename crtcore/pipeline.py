"""The straight line: which stages an experiment consists of, and running them in order."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from crtcore.config import Experiment
from crtcore.data.prepare import MapJobs, arrhythmia_stage, cohort_stage, run_prepare
from crtcore.data.recording_shard import arrhythmia_jobs, cohort_jobs
from crtcore.data.sources import Sources, arrhythmia_sources, cohort_sources
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.epochs import EpochReport
from crtcore.training.finetuning.features import features_stage, run_features
from crtcore.training.finetuning.finetune import finetune_stage, run_finetune
from crtcore.training.pretraining.pretrain import pretrain_stage, run_pretrain

OnProgress = Callable[[str, int, int], None]  # what, done, total


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The stages of one trial. Computed from digests alone; nothing needs to be built for it."""

    arrhythmia: Stage
    cohort: Stage
    pretrain: Stage
    features: Stage | None
    finetune: Stage

    @property
    def shared(self) -> tuple[Stage, ...]:
        """The stages that other trials may need too, in the order they are built."""
        stages = (self.arrhythmia, self.cohort, self.pretrain, self.features)
        return tuple(stage for stage in stages if stage is not None)


def read_sources(experiment: Experiment) -> Sources:
    """The recordings and patients an experiment rests on, with content hashes. Raises DataError on unusable
    input.
    """
    recordings, patients, leads = cohort_sources(experiment)
    return Sources(
        arrhythmia=arrhythmia_sources(experiment), cohort=recordings, patients=patients, cohort_leads=leads
    )


def plan(experiment: Experiment, sources: Sources) -> Plan:
    """The stages of `experiment` on `sources`; builds nothing."""
    arrhythmia = arrhythmia_stage(experiment, sources)
    cohort = cohort_stage(experiment, sources)
    pretrain = pretrain_stage(experiment, arrhythmia)
    return Plan(
        arrhythmia=arrhythmia,
        cohort=cohort,
        pretrain=pretrain,
        features=features_stage(experiment, pretrain, cohort),
        finetune=finetune_stage(experiment, pretrain, cohort),
    )


def open_store(experiment: Experiment) -> StageStore:
    """The experiment's stage store."""
    return StageStore(experiment.storage, cache=Path(experiment.cache))


def prepare(
    store: StageStore,
    experiment: Experiment,
    sources: Sources,
    *,
    map_jobs: MapJobs = map,
    on_progress: OnProgress = lambda what, done, total: None,
) -> None:
    """Build both prepared sets, as far as they are missing."""
    sets = (
        ("arrhythmia", arrhythmia_stage, arrhythmia_jobs),
        ("cohort", cohort_stage, cohort_jobs),
    )
    for name, stage_of, jobs_of in sets:
        run_prepare(
            store,
            stage_of(experiment, sources),
            jobs_of(experiment, sources),
            map_jobs=map_jobs,
            on_progress=functools.partial(on_progress, f"prepare {name}"),
        )


def run_trial(
    store: StageStore, experiment: Experiment, sources: Sources, device: torch.device
) -> Iterator[EpochReport]:
    """All stages of one trial in order, one report an epoch; finished stages cost a read, and the last
    always reports.
    """
    stages = plan(experiment, sources)
    prepare(store, experiment, sources)
    yield from run_pretrain(store, stages.pretrain, experiment, stages.arrhythmia, device)
    if stages.features is not None:
        yield from run_features(store, stages.features, experiment, stages.pretrain, stages.cohort, device)
    yield from run_finetune(
        store, stages.finetune, experiment, stages.pretrain, stages.features, stages.cohort, device
    )
