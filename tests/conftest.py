"""Fixtures that all tests share, and how pytest-xdist spreads the tests over processes."""

import functools
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests import surroundings

surroundings.enter()  # before anything is imported that looks at HOME or at the temporary folder

if TYPE_CHECKING:
    from crtcore.config import Experiment

MAX_WORKERS = 8
SHARED_RAY = ExitStack()  # the connection of `one_ray`
PATIENCE_S = 30.0  # Ray's processes look every few seconds whether their driver is alive


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` is."""
    return max(2, min(len(os.sched_getaffinity(0)), MAX_WORKERS))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """The tests of one file run in one process, and so do all files that use `one_ray`."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "one_ray" if _uses_one_ray(config.rootpath / file) else file

    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With pytest-xdist, start with the files that may take longest: then all processes end at one time."""
    if not hasattr(config, "workerinput"):
        return
    limit_s: dict[Path, float] = {}
    for item in items:
        mark = item.get_closest_marker("timeout")
        limit_s[item.path] = max(limit_s.get(item.path, 0.0), mark.args[0] if mark is not None else 0.0)
    items.sort(key=lambda item: -limit_s[item.path])


def pytest_runtest_setup(item: pytest.Item) -> None:
    """End the shared Ray before the tests of other files, which would be connected to it."""
    if not _uses_one_ray(item.path):
        SHARED_RAY.close()


@functools.cache
def _uses_one_ray(file: Path) -> bool:
    return "one_ray" in file.read_text(encoding="utf-8")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        surroundings.leave()


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    before = surroundings.names_outside()
    yield
    left = surroundings.survivors(PATIENCE_S)
    described = [f"{process.pid}: {' '.join(process.cmdline())}" for process in left]
    for process in left:
        process.kill()
    psutil.wait_procs(left)
    assert described == [], "processes that tests started and did not end"
    assert surroundings.names_outside() - before == set(), "made by tests outside their temporary folders"


@pytest.fixture(scope="session")
def _shared_ray_ends() -> Iterator[None]:
    yield
    SHARED_RAY.close()


@pytest.fixture
def one_ray(_shared_ray_ends: None) -> None:
    """A Ray on this machine, started by `connected`. Tests that follow one another share it."""
    import ray

    from search.cluster.connection import connected

    if not ray.is_initialized():
        SHARED_RAY.enter_context(connected(None))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real recordings beside the repository: `mitdb/` and `ptbxl500/`."""
    folder = surroundings.REPOSITORY.parent / "shared" / "data"
    missing = [name for name in ("mitdb", "ptbxl500") if not (folder / name).is_dir()]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} in {folder}")
    return folder


@pytest.fixture(scope="session")
def simulated_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated data set: `mitdb/` (4 records of 30 s) and `cohort/` (12 patients). Read only."""
    from crtcore.simulation.write import simulate

    folder = tmp_path_factory.mktemp("simulated") / "data"
    simulate(folder, seed=1, num_records=4, minutes=0.5, num_patients=12)
    return folder


@pytest.fixture
def tiny(simulated_dir: Path, tmp_path: Path) -> "Experiment":
    """An experiment on the small simulated data that trains in seconds, with storage of its own."""
    from crtcore.config import Experiment

    return Experiment.model_validate(
        {
            "name": "tiny",
            "storage": str(tmp_path / "storage"),
            "cache": tmp_path / "cache",
            "data": simulated_dir,
            "arrhythmia": {"database": "mitdb", "max_beats_per_record": 8},
            "cohort": {"manifest": "cohort/cohort.csv", "leads": ["II", "V1"], "max_beats_per_recording": 2},
            "pretrain": {"epochs": 1, "batch_size": 32},
            "finetune": {"epochs": 2, "folds": 2, "frozen_groups": 5, "batch_size": 16},
        }
    )
