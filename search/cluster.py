"""Ray: connecting to it, the storage that all nodes must see, and how many trials fit."""

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.tune import PlacementGroupFactory
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from crtcore.config import TrialResources
from crtcore.errors import StorageError, SweepError
from crtcore.storage import Storage

OBJECT_STORE_BYTES = 128 << 20  # of a local Ray: data go through the stage store, not through Ray
CONNECT_TIMEOUT_S = 5.0
STORAGE_TIMEOUT_S = 120.0  # a dead NFS server does not fail, it hangs
GROWTH_TIMEOUT_S = 900.0  # a cloud node that was asked for and set up from nothing is there by then

# How Ray behaves where it can only be told by the environment.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output engine is the one that `verbose=0` silences
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean the same in a trial as in the driver
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the study is the log
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the sweep at once; nothing is lost by it
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # Tune's own snapshots are never read
    "TUNE_MAX_PENDING_TRIALS_PG": "1000",  # the searcher hands out no more than what fits
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # reasons are in the study and in the live view
}


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """A connection to Ray: the cluster at `address` ("auto" or host:port), or a Ray of its own on this
    machine, with its dashboard on 127.0.0.1, that ends with the block. A connection that is already there is
    used and left.

    Raises SweepError if there is no cluster at the address.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if ray.is_initialized():
        yield
        return
    if address is not None:
        _check_address(address)
    try:
        if address is None:
            ray.init(
                address="local",  # whatever RAY_ADDRESS says
                include_dashboard=True,
                dashboard_host="127.0.0.1",
                object_store_memory=OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        else:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise _no_cluster(address or "auto") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    if address.startswith("ray://"):
        raise SweepError(
            f"--address {address}: run the sweep on the cluster itself (ray submit, or ray exec with "
            "--address auto), where it outlives your connection"
        )
    if address == "auto":
        return
    # Asked here, since Ray keeps trying for minutes.
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _no_cluster(address) from error


def _no_cluster(address: str) -> SweepError:
    return SweepError(
        f"no Ray cluster lets us in at {address}: start one with `ray start --head`, set RAY_AUTH_MODE=token "
        "if it asks for a token, or leave --address out to run on this machine"
    )


AskNodes = Callable[[str, str], Iterable[tuple[str, str]]]  # storage, file name -> node, what is wrong if so


def require_shared(storage: str, *, ask: AskNodes | None = None) -> None:
    """Raises StorageError that names the nodes, of those that are alive, which do not see what is written to
    `storage` here.
    """
    place, name = Storage(storage), f".seen-by-all-{uuid.uuid4().hex[:8]}"
    place.write(f"{place.root}/{name}", b"is there")
    try:
        trouble = [f"{node} {problem}" for node, problem in (ask or ask_nodes)(storage, name) if problem]
    finally:
        place.delete(f"{place.root}/{name}")
    if trouble:
        raise StorageError(
            f"storage {storage} is not shared by all nodes: {'; '.join(trouble)}; mount it there, take the "
            "node out of the cluster, or set storage to a folder that all nodes share or to an s3:// or "
            "gs:// URI"
        )


def look_for(storage: str, name: str) -> str:
    """What is wrong with `storage` as this node sees it, nothing if the file lies there."""
    try:
        place = Storage(storage)
    except StorageError as error:
        return f"says: {error}"
    return "" if place.is_file(f"{place.root}/{name}") else "sees nothing of it"


def ask_nodes(storage: str, name: str) -> Iterator[tuple[str, str]]:
    """Each node that is alive, and what `look_for` says there."""
    task = ray.remote(num_cpus=0, max_retries=0)(look_for)
    asked = {
        node["NodeID"]: (
            f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
            task.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(storage, name),
        )
        for node in _nodes_alive()
    }
    deadline_s = time.monotonic() + STORAGE_TIMEOUT_S
    for node_id, (label, answer) in asked.items():
        try:
            yield label, ray.get(answer, timeout=max(0.0, deadline_s - time.monotonic()))
        except GetTimeoutError:
            yield label, f"gives no answer in {STORAGE_TIMEOUT_S:g} s"
        except RayError:
            if node_id in {node["NodeID"] for node in _nodes_alive()}:
                raise
            # It went meanwhile, as spot instances do; no trial will run there.


def bundle(trial: TrialResources) -> PlacementGroupFactory:
    """What Ray reserves for one trial."""
    return PlacementGroupFactory([{"CPU": trial.cpus, "GPU": trial.gpus}])


def node_resources() -> list[Mapping[str, float]]:
    """The resources of each node that is alive."""
    return [node["Resources"] for node in _nodes_alive()]


def _nodes_alive() -> list[Mapping[str, Any]]:
    nodes = ray.nodes()  # type: ignore[no-untyped-call]  # Ray annotates only part of its API
    return [node for node in nodes if node["Alive"]]


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
