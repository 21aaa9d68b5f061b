"""Forwarded ports on this machine: a program of our own stands in for `ray`, everything else is real.

tests/cluster/test_onprem.py forwards ports over SSH.
"""

import http.server
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from crtcore.errors import ConfigError, SweepError
from search.cluster.remote import tunnel
from search.cluster.remote.tunnel import HOST, forwarded, free_port

DEADLINE_S = 10.0
# Serves the forwarded ports over HTTP after a while, beside a child like SSH; tells its arguments and both
# pids.
FAKE_RAY = """
import http.server, json, os, subprocess, sys, threading, time
arguments = sys.argv[2:]
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with open(sys.argv[1], "w") as file:
    json.dump({"arguments": arguments, "pids": [os.getpid(), child.pid]}, file)
time.sleep(0.3)
for option, port in zip(arguments, arguments[1:]):
    if option in ("--port", "--port-forward"):
        server = http.server.HTTPServer(("127.0.0.1", int(port)), http.server.BaseHTTPRequestHandler)
        threading.Thread(target=server.serve_forever).start()
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.yaml"
    path.write_text("cluster_name: demo\nprovider: {type: local, head_ip: 127.0.0.1}\n")
    return path


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the program that stands in for `ray` says what it was called with."""
    path = tmp_path / "report.json"
    monkeypatch.setattr(tunnel, "RAY", (sys.executable, "-c", FAKE_RAY, str(path)))
    return path


@contextmanager
def listening() -> Iterator[int]:
    """A port that accepts connections and says nothing."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def all_run(pids: list[int]) -> bool:
    return all(psutil.pid_exists(pid) for pid in pids)


def all_end(pids: list[int]) -> bool:
    """Whether all processes end soon; the signal has been sent."""
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        running = [pid for pid in pids if psutil.pid_exists(pid)]
        with suppress(psutil.NoSuchProcess):
            if all(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE for pid in running):
                return True
        time.sleep(0.01)
    return False


def test_ports_answer_in_the_block_and_every_process_ends_after_it(cluster: Path, report: Path) -> None:
    port = free_port()
    with forwarded(cluster, [(port, 8265)]):
        told = json.loads(report.read_text())
        with socket.create_connection((HOST, port)):
            pass
        assert all_run(told["pids"])
    assert told["arguments"] == ["dashboard", str(cluster), "--port", str(port), "--remote-port", "8265"]
    assert all_end(told["pids"])


def test_every_process_ends_if_the_block_raises(cluster: Path, report: Path) -> None:
    with pytest.raises(KeyboardInterrupt), forwarded(cluster, [(free_port(), 8265)]):
        raise KeyboardInterrupt
    assert all_end(json.loads(report.read_text())["pids"])


def test_a_command_runs_on_the_head_beside_its_ports(cluster: Path, report: Path) -> None:
    ports = [free_port(), free_port()]
    with forwarded(cluster, [(port, port) for port in ports], "crtsearch dashboard demo"):
        told = json.loads(report.read_text())
    forwards = [text for port in ports for text in ("--port-forward", str(port))]
    assert told["arguments"] == ["exec", str(cluster), "crtsearch dashboard demo", *forwards]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("Shared connection closed.\\ncrtsearch: no sweep 'x'\\nbye", r"\(no sweep 'x'\)"),
        ("one\\n\\nssh: connection refused\\n", r"\(ssh: connection refused\)"),
        ("", r"\(no output\)"),
    ],
)
def test_a_command_that_fails_is_quoted(
    cluster: Path, monkeypatch: pytest.MonkeyPatch, output: str, message: str
) -> None:
    monkeypatch.setattr(tunnel, "RAY", (sys.executable, "-c", f'print("{output}")'))
    with (
        pytest.raises(SweepError, match=rf"head of .*cluster\.yaml cannot be reached {message}; .*`ray up"),
        forwarded(cluster, [(free_port(), 8265)]),
    ):
        pass


def test_a_port_that_is_taken_is_refused_before_anything_starts(cluster: Path, report: Path) -> None:
    with (
        listening() as port,
        pytest.raises(SweepError, match=f"port {port} of this machine cannot be used"),
        forwarded(cluster, [(port, 8265)]),
    ):
        pass
    assert not report.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("provider: {", "cannot be read"),
        ("[]", "describes no cluster"),
        ("cluster_name: demo", "describes no cluster"),
    ],
)
def test_a_file_that_describes_no_cluster_is_refused(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "cluster.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=f"{message}.*`ray up`"), forwarded(path, [(free_port(), 8265)]):
        pass


def test_an_open_connection_alone_is_no_answer() -> None:
    with http.server.HTTPServer((HOST, 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        assert tunnel._answers(server.server_port)
        server.shutdown()
        thread.join()
    assert not tunnel._answers(free_port())
    with socket.create_server((HOST, 0)) as closing:

        def accept_and_close() -> None:
            closing.accept()[0].close()

        accepting = threading.Thread(target=accept_and_close)
        accepting.start()
        assert not tunnel._answers(closing.getsockname()[1])
        accepting.join()


def test_the_free_port_can_be_used() -> None:
    port = free_port()
    with socket.create_server((HOST, port)) as server:
        assert server.getsockname() == (HOST, port)


def test_ray_is_the_one_of_this_environment() -> None:
    assert tunnel.RAY[0] == sys.executable and os.access(tunnel.RAY[0], os.X_OK)
