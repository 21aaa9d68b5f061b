"""Check that all nodes of a cluster see the storage."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from crtcore.errors import StorageError
from crtcore.stages.storage import Storage
from search.cluster.connection import nodes_alive

STORAGE_TIMEOUT_S = 120.0  # a dead NFS server gives no error, it never answers

AskNodes = Callable[[str, str], Iterable[tuple[str, str]]]  # storage, file name -> each node and its problem


def require_shared(storage: str, *, ask: AskNodes | None = None) -> None:
    """Write a file to `storage` and ask every node for it. Raises StorageError that names the nodes that do
    not see it.
    """
    place, name = Storage(storage), f".seen-by-all-{uuid.uuid4().hex[:8]}"
    place.write(f"{place.root}/{name}", b"is there")
    try:
        problems = [f"{node} {problem}" for node, problem in (ask or ask_nodes)(storage, name) if problem]
    finally:
        place.delete(f"{place.root}/{name}")
    if problems:
        raise StorageError(
            f"storage {storage} is not shared by all nodes: {'; '.join(problems)}; mount it there, take the "
            "node out of the cluster, or set storage to a folder that all nodes share or to an s3:// or "
            "gs:// URI"
        )


def look_for(storage: str, name: str) -> str:
    """What is wrong with `storage` as this node sees it; "" if the file is there."""
    try:
        place = Storage(storage)
    except StorageError as error:
        return f"says: {error}"
    return "" if place.is_file(f"{place.root}/{name}") else "does not see it"


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
        for node in nodes_alive()
    }
    deadline_s = time.monotonic() + STORAGE_TIMEOUT_S
    for node_id, (label, answer) in asked.items():
        try:
            yield label, ray.get(answer, timeout=max(0.0, deadline_s - time.monotonic()))
        except GetTimeoutError:
            yield label, f"does not answer in {STORAGE_TIMEOUT_S:g} s"
        except RayError:
            if node_id in {node["NodeID"] for node in nodes_alive()}:
                raise
            # The node was removed meanwhile, as spot instances are. No trial will run there.
