"""Addresses that cannot be used. Connections that work are tested by all files beside this one."""

import socket
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
