"""How many trials run at the same time."""

import time
from collections.abc import Callable, Iterable, Mapping

from ray.tune import PlacementGroupFactory

from crtcore.config import TrialResources
from crtcore.errors import SweepError
from search.cluster.connection import node_resources

GROWTH_TIMEOUT_S = 900.0  # a cloud node that was asked for and set up from nothing is there by then


def bundle(trial: TrialResources) -> PlacementGroupFactory:
    """What Ray reserves for one trial."""
    return PlacementGroupFactory([{"CPU": trial.cpus, "GPU": trial.gpus}])


def num_fitting(nodes: Iterable[Mapping[str, float]], trial: TrialResources) -> int:
    """How many trials the nodes hold at a time. A trial lies on one node, a fraction of a GPU on one GPU."""
    return sum(min(_by_cpu(node, trial), _by_gpu(node, trial)) for node in nodes)


def _by_cpu(node: Mapping[str, float], trial: TrialResources) -> int:
    return int(node.get("CPU", 0.0) / trial.cpus + 1e-9)


def _by_gpu(node: Mapping[str, float], trial: TrialResources) -> int:
    if trial.gpus == 0:
        return int(node.get("CPU", 0.0) / trial.cpus + 1e-9)
    num_gpus = int(node.get("GPU", 0.0))
    if trial.gpus < 1:
        return num_gpus * int(1 / trial.gpus + 1e-9)
    return int(num_gpus / trial.gpus + 1e-9)


class Slots:
    """How many trials to hand out: as many as fit now and, on a cluster that may grow, some that wait for
    nodes to come.

    Waiting trials are what makes Ray's autoscaler start nodes, and stop with the driver. While nodes come
    their number doubles; where none came for a while, one trial waits.
    """

    def __init__(
        self,
        trial: TrialResources,
        *,
        may_grow: bool,
        nodes: Callable[[], Iterable[Mapping[str, float]]] = node_resources,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trial = trial
        self._may_grow = may_grow
        self._nodes = nodes
        self._clock_s = clock_s
        self._most = 0
        self._grew_at_s = clock_s()

    def __call__(self) -> int:
        """The number now. Raises SweepError if no trial fits, nor will."""
        num_slots = num_fitting(self._nodes(), self._trial)
        if num_slots > self._most:
            self._most, self._grew_at_s = num_slots, self._clock_s()
        is_growing = self._may_grow and self._clock_s() - self._grew_at_s < GROWTH_TIMEOUT_S
        if num_slots == 0 and not is_growing:
            raise SweepError(
                f"no node has {self._trial.cpus:g} CPUs and {self._trial.gpus:g} GPUs for a trial (there "
                f"are: {_summary(self._nodes())}); lower resources.trial, or add a node that holds one"
            )
        if is_growing:
            return num_slots + max(1, num_slots)
        return num_slots + 1 if self._may_grow else num_slots


def _summary(nodes: Iterable[Mapping[str, float]]) -> str:
    return "; ".join(f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs" for node in nodes) or "none"
