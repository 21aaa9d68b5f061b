"""Ray's tasks build the same shards as this process, and a bad recording is reported in one sentence."""

import functools
from dataclasses import replace
from pathlib import Path

import pytest
import ray

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.recording_shard import SHARD_FILE, ShardJob, arrhythmia_jobs, build_shard, cohort_jobs
from crtcore.errors import DataError
from crtcore.pipeline import open_store, plan, prepare, read_sources
from search.cluster.preparation import MIN_JOBS, RayJobs

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("one_ray")]


@pytest.fixture
def elsewhere(tiny: Experiment, tmp_path: Path) -> Experiment:
    return override(tiny, {"storage": str(tmp_path / "elsewhere")})


def jobs_of(experiment: Experiment) -> tuple[ShardJob, ...]:
    sources = read_sources(experiment)
    return (*arrhythmia_jobs(experiment, sources), *cohort_jobs(experiment, sources))


@pytest.mark.parametrize("address", [None, "auto"])
def test_tasks_build_the_same_shards(tiny: Experiment, elsewhere: Experiment, address: str | None) -> None:
    prepare(open_store(tiny), plan(tiny, read_sources(tiny)))
    jobs = jobs_of(elsewhere)
    assert len(jobs) >= MIN_JOBS
    store = open_store(elsewhere)
    with RayJobs(address, elsewhere.storage) as run:
        assert len(list(run(functools.partial(build_shard, store), jobs))) == len(jobs)
    for job in jobs:
        theirs, ours = store.path(job.stage, SHARD_FILE), open_store(tiny).path(job.stage, SHARD_FILE)
        assert theirs.read_bytes() == ours.read_bytes()


@pytest.mark.parametrize("address", [None, "auto"])
def test_a_bad_recording_is_named_by_its_original_path(
    tiny: Experiment, tmp_path: Path, address: str | None
) -> None:
    *jobs, job = jobs_of(tiny)
    path = tmp_path / "bad.csv"
    path.write_text("I,II\n1,x\n")
    bad = replace(job, source=replace(job.source, path=path))
    store = open_store(tiny)
    with RayJobs(address, tiny.storage) as run, pytest.raises(DataError, match=str(path)) as caught:
        list(run(functools.partial(build_shard, store), [*jobs, bad]))
    assert "Traceback" not in str(caught.value)


def test_few_jobs_start_no_ray(tiny: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_ray(*arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr(ray, "put", no_ray)
    jobs = jobs_of(tiny)[: MIN_JOBS - 1]
    store = open_store(tiny)
    with RayJobs(None, tiny.storage) as run:
        list(run(functools.partial(build_shard, store), jobs))
    assert all(store.find(job.stage) is not None for job in jobs)
