from collections.abc import Mapping
from pathlib import Path

import pytest

from crtcore.config import TrialResources
from crtcore.errors import StorageError, SweepError
from search.cluster.connection import connected, node_resources
from search.cluster.shared_storage import ask_nodes, look_for, require_shared
from search.cluster.slots import GROWTH_TIMEOUT_S, Slots, bundle
from search.scheduling.placement import num_fitting

HEAD = {"memory": 1e9}
WORKER = {"CPU": 4.0, "GPU": 1.0}
BIG = {"CPU": 16.0, "GPU": 2.0}


def trial(cpus: float, gpus: float = 0.0) -> TrialResources:
    return TrialResources(cpus=cpus, gpus=gpus)


@pytest.mark.parametrize(
    ("nodes", "resources", "expected"),
    [
        ([{"CPU": 2.0}], trial(1), 2),
        ([{"CPU": 2.0}], trial(0.1), 20),
        ([{"CPU": 3.0}, {"CPU": 3.0}], trial(2), 2),  # 6 CPUs, and a trial lies on one node
        ([HEAD], trial(1), 0),
        ([HEAD, WORKER, WORKER], trial(4, 1), 2),
        ([WORKER], trial(1, 0.3), 3),
        ([BIG], trial(1, 0.4), 4),  # 2 GPUs, and a share lies on one of them
        ([BIG], trial(1, 0.1), 16),  # CPUs are the limit
        ([BIG, WORKER], trial(4, 2), 1),
        ([], trial(1), 0),
    ],
)
def test_trials_that_fit(nodes: list[Mapping[str, float]], resources: TrialResources, expected: int) -> None:
    assert num_fitting(nodes, resources) == expected


def test_a_bundle_is_what_one_trial_holds() -> None:
    assert bundle(trial(2, 0.5)).bundles == [{"CPU": 2.0, "GPU": 0.5}]


def test_a_machine_that_holds_no_trial_is_refused_at_once() -> None:
    slots = Slots(trial(4, 1), may_grow=False, nodes=lambda: [{"CPU": 2.0}])
    with pytest.raises(SweepError, match=r"no node has 4 CPUs and 1 GPUs.*there are: 2 CPUs, 0 GPUs"):
        slots()


def test_a_machine_is_filled_and_no_more() -> None:
    assert Slots(trial(1), may_grow=False, nodes=lambda: [{"CPU": 2.0}])() == 2


def test_trials_that_wait_make_a_cluster_grow_until_it_no_longer_does() -> None:
    nodes: list[Mapping[str, float]] = [HEAD]
    now_s = 0.0
    slots = Slots(trial(4, 1), may_grow=True, nodes=lambda: nodes, clock_s=lambda: now_s)
    assert slots() == 1
    nodes.append(WORKER)
    now_s = GROWTH_TIMEOUT_S - 1
    assert slots() == 2
    nodes.extend([WORKER] * 3)
    assert slots() == 8
    now_s += GROWTH_TIMEOUT_S
    assert slots() == 5
    del nodes[2:]  # spot instances go
    assert slots() == 2


def test_a_cluster_on_which_no_node_ever_comes_is_given_up() -> None:
    now_s = 0.0
    slots = Slots(trial(4, 1), may_grow=True, nodes=lambda: [HEAD], clock_s=lambda: now_s)
    slots()
    now_s = GROWTH_TIMEOUT_S
    with pytest.raises(SweepError, match="no node has 4 CPUs"):
        slots()


@pytest.mark.parametrize(
    ("address", "message"),
    [("127.0.0.1:1", "no Ray cluster lets us in at 127.0.0.1:1"), ("ray://h:1", "ray submit")],
)
def test_an_address_that_cannot_be_used_is_refused(address: str, message: str) -> None:
    with pytest.raises(SweepError, match=message), connected(address):
        pass


def test_a_node_that_does_not_see_the_storage_is_named(tmp_path: Path) -> None:
    """Node b has a folder of its own at the path; node c may not use the bucket. Node a is in order."""

    def ask(storage: str, name: str) -> list[tuple[str, str]]:
        return [
            ("node a", look_for(storage, name)),
            ("node b", look_for(str(tmp_path / "own"), name)),
            ("node c", look_for("nosuch://bucket", name)),
        ]

    with pytest.raises(
        StorageError, match=r"not shared by all nodes: node b sees nothing of it; node c says"
    ) as error:
        require_shared(str(tmp_path / "shared"), ask=ask)
    assert "node a" not in str(error.value)
    assert list((tmp_path / "shared").iterdir()) == []  # what was looked for is gone


def test_a_storage_that_all_see_is_in_order(tmp_path: Path) -> None:
    asked = []

    def ask(storage: str, name: str) -> list[tuple[str, str]]:
        asked.append(name)
        return [("node a", look_for(storage, name))]

    require_shared(str(tmp_path), ask=ask)
    assert len(asked) == 1


@pytest.mark.ray
def test_nodes_of_a_real_ray_are_asked(tmp_path: Path) -> None:
    with connected(None):
        require_shared(str(tmp_path))
        assert len(node_resources()) == 1
        blind = tmp_path / "gone"
        with pytest.raises(StorageError, match=r"node \S+ \([\d.]+\) sees nothing of it"):
            require_shared(str(tmp_path), ask=lambda storage, name: ask_nodes(str(blind), name))
