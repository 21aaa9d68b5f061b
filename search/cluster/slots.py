"""How many trials run at the same time."""

import time
from collections.abc import Callable, Iterable

from ray.tune import PlacementGroupFactory

from crtcore.config import TrialResources
from search.cluster.connection import node_resources
from search.scheduling.placement import Node, num_fitting, require_place

GROWTH_TIMEOUT_S = 900.0  # within this time a cloud node that was requested is set up and running


def bundle(trial: TrialResources) -> PlacementGroupFactory:
    """What Ray reserves for one trial."""
    return PlacementGroupFactory([{"CPU": trial.cpus, "GPU": trial.gpus}])


class Slots:
    """How many trials to hand out: as many as fit now and, if the cluster may grow, some that wait for new
    nodes.

    Ray's autoscaler starts nodes for waiting trials. While nodes arrive, as many trials wait as run; after
    GROWTH_TIMEOUT_S without a new node, one trial waits.
    """

    def __init__(
        self,
        trial: TrialResources,
        *,
        may_grow: bool,
        nodes: Callable[[], Iterable[Node]] = node_resources,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trial = trial
        self._may_grow = may_grow
        self._nodes = nodes
        self._clock_s = clock_s
        self._most = 0
        self._grew_at_s = clock_s()

    def __call__(self) -> int:
        """The number now. Raises SweepError if no trial fits, and no new node is expected."""
        nodes = tuple(self._nodes())
        num_slots = num_fitting(nodes, self._trial)
        if num_slots > self._most:
            self._most, self._grew_at_s = num_slots, self._clock_s()
        is_growing = self._may_grow and self._clock_s() - self._grew_at_s < GROWTH_TIMEOUT_S
        if is_growing:
            return num_slots + max(1, num_slots)
        require_place(self._trial, nodes)
        return num_slots + 1 if self._may_grow else num_slots
