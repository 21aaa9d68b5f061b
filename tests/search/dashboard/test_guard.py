"""The layer in front of the dashboard: which requests pass, and what is added to the answers."""

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse

import pytest

from search.dashboard.guard import Guard

TOKEN = "a-secret-token"


def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"inside"]


def ask(
    path: str = "/",
    *,
    method: str = "GET",
    host: str = "127.0.0.1:8080",
    cookie: str = f"crtsearch_8080={TOKEN}",
    query: str = "",
) -> tuple[str, dict[str, str], bytes]:
    answers: list[tuple[str, dict[str, str]]] = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_HOST": host,
        "HTTP_COOKIE": cookie,
    }

    def start_response(status: str, headers: list[tuple[str, str]], *rest: object) -> Any:
        answers.append((status, dict(headers)))

    body = b"".join(Guard(app, token=TOKEN, port=8080)(environ, start_response))
    ((status, headers),) = answers
    return status, headers, body


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:9000", "localhost"])
def test_a_request_to_this_machine_with_the_token_passes(host: str) -> None:
    assert ask(host=host) == ("200 OK", {"Content-Type": "text/html"}, b"inside")


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:8080", "127.0.0.1.evil.example", "0.0.0.0:8080"]
)
def test_another_host_is_refused_even_with_the_token(host: str) -> None:
    status, _, body = ask(host=host, query=f"token={TOKEN}")
    assert status == "403 Forbidden" and b"open the dashboard as http://127.0.0.1" in body


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "crtsearch_8080=",
        "crtsearch_8080=wrong",
        f"crtsearch_9999={TOKEN}",
        "crtsearch_8080=\xe9",
        "=;=;,",
    ],
)
def test_a_request_without_the_token_is_refused(cookie: str) -> None:
    status, _, body = ask(cookie=cookie)
    assert status == "403 Forbidden" and b"open the address with ?token=" in body
    assert ask(cookie=cookie, query="token=wrong")[0] == "403 Forbidden"


def test_the_printed_address_sets_the_cookie_and_loses_the_token() -> None:
    status, headers, _ = ask("/dashboard/studies/1", cookie="", query=f"numbers=3&token={TOKEN}")
    assert status == "303 See Other"
    assert headers["Location"] == "/dashboard/studies/1?numbers=3"
    assert headers["Set-Cookie"] == f"crtsearch_8080={TOKEN}; Path=/; HttpOnly; SameSite=Lax"
    assert ask("//evil.example/", query=f"token={TOKEN}")[1]["Location"] == "/evil.example/"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/studies/1"),
        ("DELETE", "/api/artifacts/1/2/abc"),
        ("POST", "/api/studies/1/rename"),
    ],
)
def test_what_would_take_the_study_from_the_sweep_is_refused(method: str, path: str) -> None:
    status, _, body = ask(path, method=method)
    assert status == "403 Forbidden" and b"deletes and renames nothing" in body


def test_uploads_are_saved_and_not_shown() -> None:
    _, headers, _ = ask("/artifacts/1/abc")
    assert headers["Content-Disposition"] == "attachment"
    assert headers["X-Content-Type-Options"] == "nosniff"
