"""Lost stages, built again by Ray tasks."""

from collections.abc import Iterator

import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.errors import StorageError, SweepError
from crtcore.pipeline import open_store, plan, prepare, read_sources
from search.cluster.connection import connected
from search.cluster.rebuilding import rebuild_on_ray

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("one_ray")]


@pytest.fixture(scope="module")
def one_ray() -> Iterator[None]:
    with connected(None):
        yield


def test_all_stages_of_each_experiment_are_built(tiny: Experiment) -> None:
    sources, store = read_sources(tiny), open_store(tiny)
    prepare(store, plan(tiny, sources))
    experiments = [override(tiny, {"finetune.learning_rate": rate}) for rate in (0.01, 0.02)]
    assert len(list(rebuild_on_ray(experiments, sources, address=None))) == 2
    for experiment in experiments:
        stages = plan(experiment, sources)
        assert all(open_store(tiny).find(stage) is not None for stage in (*stages.shared, stages.finetune))


def test_a_user_s_error_comes_back_as_one_sentence(tiny: Experiment) -> None:
    nowhere = tiny.model_copy(update={"storage": "nosuch://bucket"})
    with pytest.raises(StorageError, match="nosuch://bucket") as caught:
        list(rebuild_on_ray([nowhere], read_sources(tiny), address=None))
    assert "Traceback" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_trial_that_fits_nowhere_is_refused(tiny: Experiment) -> None:
    greedy = override(tiny, {"resources.trial.cpus": 10000})
    with pytest.raises(SweepError, match="no node has 10000 CPUs"):
        list(rebuild_on_ray([greedy], read_sources(tiny), address=None))


def test_nothing_to_rebuild_is_nothing_done(tiny: Experiment) -> None:
    assert list(rebuild_on_ray([], read_sources(tiny), address=None)) == []
