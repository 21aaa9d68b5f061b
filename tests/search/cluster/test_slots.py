"""How many trials are handed out, on machines that stay and on clusters that grow."""

from collections.abc import Mapping

import pytest

from crtcore.config import TrialResources
from crtcore.errors import SweepError
from search.cluster.slots import GROWTH_TIMEOUT_S, Slots, bundle

HEAD = {"memory": 1e9}
WORKER = {"CPU": 4.0, "GPU": 1.0}


def trial(cpus: float, gpus: float = 0.0) -> TrialResources:
    return TrialResources(cpus=cpus, gpus=gpus)


def test_ray_reserves_what_one_trial_needs() -> None:
    assert bundle(trial(2, 0.5)).bundles == [{"CPU": 2.0, "GPU": 0.5}]


def test_a_machine_that_is_too_small_is_refused() -> None:
    slots = Slots(trial(4, 1), may_grow=False, nodes=lambda: [{"CPU": 2.0}])
    with pytest.raises(SweepError, match=r"no node has 4 CPUs and 1 GPUs.*there are: 2 CPUs, 0 GPUs"):
        slots()


def test_one_machine_is_filled_and_no_trial_waits() -> None:
    assert Slots(trial(1), may_grow=False, nodes=lambda: [{"CPU": 2.0}])() == 2


def test_trials_wait_for_new_nodes_while_the_cluster_grows() -> None:
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
    del nodes[2:]  # spot instances are taken away
    assert slots() == 2


def test_a_cluster_that_gets_no_node_is_given_up() -> None:
    now_s = 0.0
    slots = Slots(trial(4, 1), may_grow=True, nodes=lambda: [HEAD], clock_s=lambda: now_s)
    slots()
    now_s = GROWTH_TIMEOUT_S
    with pytest.raises(SweepError, match="no node has 4 CPUs"):
        slots()
