"""Ray places exactly as many trials as we say fit, on nodes of several sizes, with whole and shared GPUs.

To Ray, GPUs are only numbers, so no GPU is needed here.
"""

import gc
from collections.abc import Iterator

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.exceptions import GetTimeoutError
from ray.tune import PlacementGroupFactory
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

from crtcore.config import TrialResources
from search.cluster.connection import connected, node_resources
from search.cluster.slots import bundle
from search.scheduling.placement import num_fitting

NODES = ((0, 0), (8, 2), (3, 1), (2, 0))  # CPUs and GPUs; the first is a head without room
PLACED_WITHIN_S = 30.0
NOT_PLACED_FOR_S = 1.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    nodes = Cluster()
    try:
        for cpus, gpus in NODES:
            nodes.add_node(
                num_cpus=cpus, num_gpus=gpus, include_dashboard=False, object_store_memory=100 << 20
            )
        with connected(str(nodes.address)):
            gc.collect()  # here, where the sockets that Ray left open are expected
            yield
    finally:
        nodes.shutdown()  # type: ignore[no-untyped-call]  # Ray annotates only part of its API
        gc.collect()


def reserve(factory: PlacementGroupFactory) -> PlacementGroup:
    reserved: PlacementGroup = placement_group(factory.bundles, strategy=factory.strategy)
    return reserved


@pytest.mark.ray
# Ray 2.60 asks for a free port with a socket that it leaves to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("cpus", "gpus", "expected"),
    [
        (1, 0.0, 13),  # CPUs of the nodes with GPUs count as well
        (1, 1.0, 3),
        (1, 0.5, 6),
        (1, 0.4, 6),  # a share is part of one GPU: two of 0.4 on each
        (2, 0.25, 5),  # CPUs are the limit: four on the big node, one on the small
        (4, 2.0, 1),
    ],
)
def test_ray_places_as_many_trials_as_we_say(cluster: None, cpus: float, gpus: float, expected: int) -> None:
    trial = TrialResources(cpus=cpus, gpus=gpus)
    assert num_fitting(node_resources(), trial) == expected
    groups = [reserve(bundle(trial)) for _ in range(expected)]
    try:
        ray.get([group.ready() for group in groups], timeout=PLACED_WITHIN_S)
        groups.append(reserve(bundle(trial)))
        with pytest.raises(GetTimeoutError):
            ray.get(groups[-1].ready(), timeout=NOT_PLACED_FOR_S)
    finally:
        for group in groups:
            remove_placement_group(group)
