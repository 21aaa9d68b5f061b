"""The real dashboard server, asked over HTTP."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from crtcore.errors import SweepError
from search.dashboard.server import serve_dashboard
from search.study.study import open_study

MAIN = "from search.cli.main import main; main()"


def test_it_serves_the_sweep_on_this_machine_only_until_interrupted(tmp_path: Path) -> None:
    storage = str(tmp_path / "storage")
    open_study(storage, "served", create=True)
    command = [sys.executable, "-c", MAIN, "dashboard", "served", "--port", "0", "--storage", storage]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            announced = server.stdout.readline()
            assert announced.startswith("served: http://127.0.0.1:")
            url = announced.split()[1]
            origin = url.partition("dashboard/")[0]
            with urllib.request.urlopen(f"{origin}api/studies", timeout=20) as response:
                studies = json.load(response)["study_summaries"]
            with urllib.request.urlopen(url, timeout=20) as response:
                page = response.read().decode()
        finally:
            server.send_signal(signal.SIGINT)
            _, errors = server.communicate(timeout=20)
    assert [study["study_name"] for study in studies] == ["served"]
    assert "<html" in page.lower()
    assert server.returncode == 130
    assert "Traceback" not in errors


def test_a_taken_port_is_named_with_the_remedy(tmp_path: Path) -> None:
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
