"""The real dashboard server, over HTTP."""

import json
import socket
import urllib.request
from pathlib import Path

import pytest

from crtcore.errors import SweepError
from search.dashboard.server import serve_dashboard
from search.study.study import open_study
from tests.search.program import END_TIMEOUT_S, running


def test_it_serves_the_sweep_on_this_machine_only_until_it_is_stopped(tmp_path: Path) -> None:
    storage = str(tmp_path / "storage")
    open_study(storage, "served", create=True)
    with running("dashboard", "served", "--port", "0", "--storage", storage) as server:
        assert server.stdout is not None
        announced = server.stdout.readline()
        assert announced.startswith("served: http://127.0.0.1:")
        url = announced.split()[1]
        origin = url.partition("dashboard/")[0]
        with urllib.request.urlopen(f"{origin}api/studies", timeout=20) as response:
            studies = json.load(response)["study_summaries"]
        with urllib.request.urlopen(url, timeout=20) as response:
            page = response.read().decode()
        server.terminate()
        _, errors = server.communicate(timeout=END_TIMEOUT_S)
    assert [study["study_name"] for study in studies] == ["served"]
    assert "<html" in page.lower()
    assert server.returncode == 143
    assert errors.endswith("crtsearch: dashboard ended\n")


def test_a_taken_port_is_an_error_that_names_the_remedy(tmp_path: Path) -> None:
    storage = str(tmp_path / "storage")
    open_study(storage, "served", create=True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SweepError, match=f"port {port} on 127.0.0.1 cannot be used .* --port"):
            serve_dashboard(storage, "served", port=port, on_ready=lambda url: None)


def test_an_unknown_sweep_is_a_sweep_error(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="nowhere"):
        serve_dashboard(str(tmp_path), "nowhere", port=0, on_ready=lambda url: None)
