"""How many trials fit on which nodes."""

from collections.abc import Mapping

import pytest

from crtcore.config import TrialResources
from crtcore.errors import SweepError
from search.scheduling.placement import num_fitting, require_place, this_machine

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
        ([{"CPU": 3.0}, {"CPU": 3.0}], trial(2), 2),  # 6 CPUs, but a trial runs on one node
        ([HEAD], trial(1), 0),
        ([HEAD, WORKER, WORKER], trial(4, 1), 2),
        ([WORKER], trial(1, 0.3), 3),
        ([BIG], trial(1, 0.4), 4),  # 2 GPUs, but a share is part of one of them
        ([BIG], trial(1, 0.1), 16),  # CPUs are the limit
        ([BIG, WORKER], trial(4, 2), 1),
        ([], trial(1), 0),
    ],
)
def test_trials_that_fit(nodes: list[Mapping[str, float]], resources: TrialResources, expected: int) -> None:
    assert num_fitting(nodes, resources) == expected


def test_a_trial_that_no_node_can_hold_is_refused_with_what_there_is() -> None:
    require_place(trial(4, 2), [WORKER, BIG])
    with pytest.raises(SweepError) as caught:
        require_place(trial(8, 1), [HEAD, WORKER])
    assert str(caught.value) == (
        "no node has 8 CPUs and 1 GPUs for a trial (there are: 0 CPUs, 0 GPUs; 4 CPUs, 1 GPUs); lower "
        "resources.trial, or add a node that is large enough"
    )
    with pytest.raises(SweepError, match="there are: none"):
        require_place(trial(1), [])


def test_this_machine_holds_a_small_trial() -> None:
    assert num_fitting([this_machine()], trial(1)) == this_machine()["CPU"] >= 1
