"""The stages of an experiment: which they are, and how they run in order."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from crtcore.config import FEATURE_MODELS, Experiment
from crtcore.data.prepare import MapJobs, ShardSet, arrhythmia_set, cohort_set, run_prepare
from crtcore.data.sources import Sources, arrhythmia_sources, cohort_sources
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.history import EpochReport
from crtcore.training.finetuning.features import features_stage, run_features
from crtcore.training.finetuning.finetune import finetune_stage, run_finetune
from crtcore.training.finetuning.patient_table import PatientTable, patient_table, run_patient_table
from crtcore.training.finetuning.simple_model import is_simple, resolved, run_simple_model, simple_stage
from crtcore.training.pretraining.pretrain import pretrain_stage, run_pretrain

OnProgress = Callable[[str, int, int], None]  # what, done, total


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The stages of one trial, and the jobs that prepare its data. Nothing needs to be built to know them."""

    arrhythmia_set: ShardSet
    cohort_set: ShardSet
    pretrain: Stage
    features: Stage | None
    finetune: Stage
    table: PatientTable | None = None  # what some simple models read instead of images
    reads_network: bool = True  # False for a simple model that needs no network: `pretrain` is not built

    @property
    def arrhythmia(self) -> Stage:
        """The prepared arrhythmia database."""
        return self.arrhythmia_set.stage

    @property
    def cohort(self) -> Stage:
        """The prepared cohort."""
        return self.cohort_set.stage

    @property
    def shards(self) -> tuple[Stage, ...]:
        """The stage of each recording's shard."""
        return tuple(job.stage for job in (*self.arrhythmia_set.jobs, *self.cohort_set.jobs))

    @property
    def shared(self) -> tuple[Stage, ...]:
        """The stages that other trials may need too, in the order they are built."""
        table = None if self.table is None else self.table.stage
        pretrain = self.pretrain if self.reads_network else None
        stages = (self.arrhythmia, self.cohort, table, pretrain, self.features)
        return tuple(stage for stage in stages if stage is not None)


def read_sources(experiment: Experiment) -> Sources:
    """The recordings and patients of an experiment, each recording hashed. DataError if one is unusable."""
    recordings, patients, leads = cohort_sources(experiment)
    return Sources(
        arrhythmia=arrhythmia_sources(experiment), cohort=recordings, patients=patients, cohort_leads=leads
    )


def plan(experiment: Experiment, sources: Sources) -> Plan:
    """The stages of `experiment` on `sources`. Nothing is built."""
    experiment = resolved(experiment)
    arrhythmia, cohort = arrhythmia_set(experiment, sources), cohort_set(experiment, sources)
    pretrain = pretrain_stage(experiment, arrhythmia.stage)
    model = experiment.finetune.model
    if model == "network":
        return Plan(
            arrhythmia_set=arrhythmia,
            cohort_set=cohort,
            pretrain=pretrain,
            features=features_stage(experiment, pretrain, cohort.stage),
            finetune=finetune_stage(experiment, pretrain, cohort.stage),
        )
    reads_network = model in FEATURE_MODELS
    features = features_stage(experiment, pretrain, cohort.stage) if reads_network else None
    table = patient_table(model, sources)
    return Plan(
        arrhythmia_set=arrhythmia,
        cohort_set=cohort,
        pretrain=pretrain,
        features=features,
        finetune=simple_stage(
            experiment, cohort.stage, features=features, table=None if table is None else table.stage
        ),
        table=table,
        reads_network=reads_network,
    )


def open_store(experiment: Experiment) -> StageStore:
    """The experiment's stage store."""
    return StageStore(experiment.storage, cache=Path(experiment.cache))


def prepare(
    store: StageStore,
    stages: Plan,
    *,
    map_jobs: MapJobs = map,
    on_progress: OnProgress = lambda what, done, total: None,
) -> None:
    """Build what is missing of both prepared sets, and the table of patients if there is one."""
    for name, shards in (("arrhythmia", stages.arrhythmia_set), ("cohort", stages.cohort_set)):
        progress = functools.partial(on_progress, f"prepare {name}")
        run_prepare(store, shards, map_jobs=map_jobs, on_progress=progress)
    if stages.table is not None:
        progress = functools.partial(on_progress, f"prepare {stages.table.stage.config['table']}")
        run_patient_table(store, stages.table, on_progress=progress)


def run_trial(
    store: StageStore, experiment: Experiment, stages: Plan, device: torch.device
) -> Iterator[EpochReport]:
    """Run all stages of one trial in order, `stages` being the plan of `experiment`; one report an epoch.

    Finished stages are not computed again. The last stage always reports, also if it was finished before.
    """
    experiment = resolved(experiment)
    prepare(store, stages)
    if stages.reads_network:
        yield from run_pretrain(store, stages.pretrain, experiment, stages.arrhythmia, device)
    if stages.features is not None:
        yield from run_features(store, stages.features, experiment, stages.pretrain, stages.cohort, device)
    if is_simple(experiment):
        table = None if stages.table is None else stages.table.stage
        yield from run_simple_model(
            store, stages.finetune, experiment, stages.cohort, features=stages.features, table=table
        )
        return
    yield from run_finetune(
        store, stages.finetune, experiment, stages.pretrain, stages.features, stages.cohort, device
    )
