"""Connect to Ray, and list its nodes."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import ray_constants

from crtcore.errors import SweepError
from search.cluster.auth_token import protect_token

OBJECT_STORE_BYTES = 128 << 20  # of a Ray on this machine: data go through the stage store, not through Ray
CONNECT_TIMEOUT_S = 5.0

# Settings of Ray that only environment variables can change.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # send nothing to anyone
    "RAY_AIR_NEW_OUTPUT": "0",  # `verbose=0` silences only the old output engine
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean the same in a trial as in the driver
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the study is the log
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the sweep at once; nothing is lost
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # Tune's own snapshots are never read
    "TUNE_MAX_PENDING_TRIALS_PG": "1000",  # the searcher limits them itself
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the study and the progress view show the reasons
}


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to the Ray cluster at `address` ("auto" or host:port). With None, start Ray on this machine,
    with all its ports on 127.0.0.1, and stop it after the block. An existing connection is used, and kept.

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
        try:
            if address is None:
                with _loopback_only():
                    _init(
                        address="local",  # even if RAY_ADDRESS names a cluster
                        include_dashboard=True,
                        dashboard_host="127.0.0.1",
                        dashboard_port=0,  # any free one: 8265 is for the dashboard of a cluster
                        object_store_memory=OBJECT_STORE_BYTES,
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                    )
            else:
                _init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionError as error:
            raise _no_cluster(address or "auto") from error
        protect_token()  # Ray may just have made it
        yield
    finally:
        ray.shutdown()  # also after an interrupted start, which may leave processes


def dashboard_url() -> str:
    """The address of Ray's own dashboard; "" if it has none. There must be a connection."""
    url = _init(ignore_reinit_error=True, logging_level=logging.ERROR).dashboard_url
    return f"http://{url}/" if url else ""


@contextmanager
def _loopback_only() -> Iterator[None]:
    """Let a Ray that starts in the block use 127.0.0.1 as the address of its node, so that all its ports,
    that of the metrics too, are closed to other machines. Ray has a setting for it, but reads it when it is
    imported.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _init(**settings: Any) -> Any:
    """Call `ray.init`, then put back the handler of SIGTERM, which Ray replaces. A SIGTERM that arrived in
    between is passed to that handler.
    """
    handler = signal.getsignal(signal.SIGTERM)
    is_ours = callable(handler) and threading.current_thread() is threading.main_thread()
    try:
        return ray.init(**settings)
    except SystemExit as end:
        if is_ours and end.code == signal.SIGTERM:
            handler(signal.SIGTERM, None)  # type: ignore[misc, operator]  # callable: `is_ours`
        raise
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, handler)


def _check_address(address: str) -> None:
    if address.startswith("ray://"):
        raise SweepError(
            f"--address {address}: a sweep cannot use Ray's client mode; to run it on the cluster, without "
            "depending on your connection, give --cluster with the file of `ray up`"
        )
    if address == "auto":
        return
    # Ray itself would try for minutes.
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _no_cluster(address) from error


def _no_cluster(address: str) -> SweepError:
    return SweepError(
        f"no Ray cluster accepts connections at {address}: start one with `ray start --head`, set "
        "RAY_AUTH_MODE=token if it wants a token, or leave --address out to run on this machine"
    )


def node_resources() -> list[Mapping[str, float]]:
    """The resources of each node that is alive."""
    return [node["Resources"] for node in nodes_alive()]


def nodes_alive() -> list[Mapping[str, Any]]:
    """Ray's description of each node that is alive."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]  # Ray annotates only part of its API
    return [node for node in nodes if node["Alive"]]
