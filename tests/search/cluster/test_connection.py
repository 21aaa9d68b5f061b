"""Addresses that cannot be used, and what a Ray on this machine opens. Connections to a cluster are tested
beside.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
import ray

from crtcore.errors import SweepError
from search.cluster.connection import connected


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of this machine that nobody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        yield server.getsockname()[1]


def test_an_address_where_nobody_listens_is_refused(silent_port: int) -> None:
    address = f"127.0.0.1:{silent_port}"
    with pytest.raises(SweepError, match=rf"no Ray cluster .* at {address}: start one"), connected(address):
        pass
    assert not ray.is_initialized()


@pytest.mark.parametrize("address", ["head", "head:port", "127.0.0.1:99999999"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(SweepError, match=r"no Ray cluster .*ray start --head"), connected(address):
        pass


def test_a_ray_client_address_is_refused_with_the_way_to_do_it() -> None:
    with (
        pytest.raises(SweepError, match=r"--address ray://head:10001: .* --cluster"),
        connected("ray://head:10001"),
    ):
        pass


@pytest.mark.ray
def test_all_ports_of_a_local_ray_are_closed_to_other_machines() -> None:
    """In a process of its own, whose children are Ray's."""
    code = """
import psutil, ray, time
from search.cluster.connection import connected
with connected(None):
    metrics_port = ray.nodes()[0]["MetricsExportPort"]
    ports = {}
    while metrics_port not in ports:
        time.sleep(0.2)
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found = [each for each in process.net_connections("tcp") if each.status == "LISTEN"]
                ports |= {each.laddr.port: each.laddr.ip.removeprefix("::ffff:") for each in found}
    print(*sorted(set(ports.values())))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=110)
    assert ended.stdout.split() == ["127.0.0.1"], ended.stderr
