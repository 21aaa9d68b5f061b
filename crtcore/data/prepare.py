"""The stage `prepare`: the shards of all recordings as one set.

Each shard is also a stage. So an interrupted run continues with the missing recordings, a damaged shard costs
one recording, and cohorts that overlap share their common shards.
"""

import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from crtcore.config import Experiment
from crtcore.data.recording_shard import SHARD_FILE, ShardJob, arrhythmia_jobs, build_shard, cohort_jobs
from crtcore.data.sources import Sources, predefined_folds
from crtcore.errors import DataError, StorageError
from crtcore.stages.stage import JSON, Stage
from crtcore.stages.store import StageStore

PREPARE_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class ShardSet:
    """A prepared set: the identity of the whole, and a job for each of its shards.

    Sets are equal if their stages are: a job also holds a path and settings that do not change its shard.
    """

    stage: Stage
    jobs: tuple[ShardJob, ...] = field(compare=False, repr=False)


class MapJobs(Protocol):
    """How jobs run: `map` in this process, or a function that spreads them over processes and nodes."""

    def __call__(
        self, function: Callable[[ShardJob], None], jobs: Sequence[ShardJob], /
    ) -> Iterable[None]: ...


def prepare_stage(
    name: str,
    jobs: Sequence[ShardJob],
    *,
    exclude: Collection[str] = (),
    folds: Mapping[str, int] | None = None,
) -> Stage:
    """The set of the shards of all `jobs`, except those with a quality flag in `exclude`.

    `folds` are the predefined folds by patient id. They are part of the set, so a trial reads them from it.
    """
    config = {"set": name, "exclude": sorted(exclude), "folds": folds}
    inputs = tuple(job.stage.digest for job in jobs)
    return Stage(name="prepare", config=config, inputs=inputs, version=PREPARE_VERSION)


def arrhythmia_set(experiment: Experiment, sources: Sources) -> ShardSet:
    """The shards of the arrhythmia database."""
    jobs = arrhythmia_jobs(experiment, sources)
    return ShardSet(stage=prepare_stage("arrhythmia", jobs), jobs=jobs)


def cohort_set(experiment: Experiment, sources: Sources) -> ShardSet:
    """The shards of the cohort."""
    jobs = cohort_jobs(experiment, sources)
    stage = prepare_stage("cohort", jobs, exclude=experiment.cohort.exclude, folds=predefined_folds(sources))
    return ShardSet(stage=stage, jobs=jobs)


def run_prepare(
    store: StageStore,
    shards: ShardSet,
    *,
    map_jobs: MapJobs = map,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Build the missing and damaged shards, then commit the set. DataError if a recording is unusable."""
    stage, jobs = shards.stage, shards.jobs
    if store.find(stage) is not None:
        return
    todo = [job for job in jobs if not _intact(store, job)]
    on_progress(len(jobs) - len(todo), len(jobs))
    for done, _ in enumerate(
        map_jobs(functools.partial(build_shard, store), todo), len(jobs) - len(todo) + 1
    ):
        on_progress(done, len(jobs))
    store.commit(stage, {}, _set_facts(store, stage, jobs))


def _set_facts(store: StageStore, stage: Stage, jobs: Sequence[ShardJob]) -> dict[str, JSON]:
    symbols: Counter[str] = Counter()
    shards, excluded, patients = [], [], {}
    for job in jobs:
        manifest = store.find(job.stage)
        if manifest is None:
            raise StorageError(
                f"{job.stage} was built and is not in {store.uri}: a node that built it does not see this "
                "storage, or somebody removed it; set storage to a folder that all nodes share, or to an "
                "s3:// or gs:// URI, and run the same command again"
            )
        facts = manifest.facts
        flags = sorted(set(stage.config["exclude"]).intersection(facts["flags"]))
        if flags:
            excluded.append({"digest": job.stage.digest, "flags": flags})
        elif facts["num_beats"] == 0:
            raise DataError(
                f"recording {job.source.path} has no whole beat; remove it, or set cohort.exclude to "
                f"{facts['flags'] or ['too_few_beats']}"
            )
        else:
            symbols.update(facts["symbols"])
            shards.append({"digest": job.stage.digest, **manifest.files[SHARD_FILE], **facts})
            patients[job.source.patient_id] = job.source.label
    if excluded and len(set(patients.values())) < 2:
        raise DataError(
            f"without the recordings flagged {', '.join(stage.config['exclude'])} there are {len(patients)} "
            f"patients and not both outcomes; shorten cohort.exclude"
        )
    names = sorted({lead for shard in shards for lead in shard["leads"]})
    return {
        "shards": shards,
        "excluded": excluded,
        "leads": names if jobs[0].leads is None else list(jobs[0].leads),
        "spectrogram": jobs[0].spectrogram.model_dump(mode="json"),
        "folds": stage.config["folds"],
        "num_patients": len(patients),
        "num_beats": sum(shard["num_beats"] for shard in shards),
        "num_images": sum(shard["num_images"] for shard in shards),
        "symbols": dict(symbols),
    }


def _intact(store: StageStore, job: ShardJob) -> bool:
    try:
        if store.find(job.stage) is None:
            return False
        store.path(job.stage, SHARD_FILE)
    except StorageError:  # damaged, so it is built again from the recording
        store.discard(job.stage)
        return False
    return True
