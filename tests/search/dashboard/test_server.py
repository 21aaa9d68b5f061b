"""The real dashboard server, over HTTP."""

import base64
import json
import socket
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

import pytest

from crtcore.errors import SweepError
from search.dashboard.server import serve_dashboard
from search.study.study import open_study
from tests.search.program import END_TIMEOUT_S, running

JSON = {"Content-Type": "application/json"}
PAGE = b"<script>fetch('/api/studies/1', {method: 'DELETE'})</script>"


def test_it_serves_the_sweep_on_this_machine_only_until_it_is_stopped(tmp_path: Path) -> None:
    storage = str(tmp_path / "storage")
    open_study(storage, "served", create=True)
    with running("dashboard", "served", "--port", "0", "--storage", storage) as server:
        assert server.stdout is not None
        announced = server.stdout.readline()
        assert announced.startswith("served: http://127.0.0.1:")
        url = announced.split()[1]
        origin = url.partition("/dashboard/")[0]
        assert status_of(Request(f"{origin}/api/studies")) == 403
        assert status_of(Request(url, headers={"Host": "evil.example"})) == 403
        browser = build_opener(HTTPCookieProcessor())
        with browser.open(url, timeout=20) as response:
            page = response.read().decode()
            assert response.url == url.partition("?")[0]
        with browser.open(f"{origin}/api/studies", timeout=20) as response:
            studies = json.load(response)["study_summaries"]
        upload = upload_page(browser, f"{origin}/api/artifacts/1")
        with browser.open(f"{origin}/artifacts/1/{upload}", timeout=20) as response:
            assert response.read() == PAGE
            assert response.headers["Content-Disposition"] == "attachment"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
        for request in (
            Request(f"{origin}/api/studies/1", method="DELETE"),
            Request(f"{origin}/api/artifacts/1/{upload}", method="DELETE"),
            Request(f"{origin}/api/studies/1/rename", data=b'{"study_name": "other"}', headers=JSON),
        ):
            assert status_of(request, browser) == 403
        server.terminate()
        _, errors = server.communicate(timeout=END_TIMEOUT_S)
    assert [study["study_name"] for study in studies] == ["served"]
    assert "<html" in page.lower()
    assert server.returncode == 143
    assert errors.endswith("crtsearch: dashboard ended\n")


def status_of(request: Request, browser: OpenerDirector | None = None) -> int:
    """The status of a refused request."""
    with pytest.raises(HTTPError) as refused:
        (browser or build_opener()).open(request, timeout=20)
    with refused.value:
        return refused.value.code


def upload_page(browser: OpenerDirector, url: str) -> str:
    """The id of an uploaded page that runs a script."""
    file = f"data:text/html;base64,{base64.b64encode(PAGE).decode()}"
    body = json.dumps({"file": file, "filename": "page.html"}).encode()
    with browser.open(Request(url, data=body, headers=JSON), timeout=20) as response:
        artifact_id: str = json.load(response)["artifact_id"]
    return artifact_id


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
