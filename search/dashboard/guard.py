"""Who may use the dashboard, and for what: a WSGI layer in front of optuna-dashboard, which has no such
checks.

Any program of this machine, and any page in the user's browser, can reach a port of 127.0.0.1. So every
request needs a token, from the printed address (`?token=`) or from the cookie that this address sets. A Host
that is not this machine is refused, because a page could give its own name the address 127.0.0.1 (DNS
rebinding).
"""

import hmac
import json
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qsl, urlencode
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

HOSTS: Final = ("127.0.0.1", "localhost")
TOKEN: Final = "token"
ARTIFACTS: Final = "/artifacts/"
# A browser saves such a file and does not run it as a page of this address.
AS_DOWNLOAD: Final = [("Content-Disposition", "attachment"), ("X-Content-Type-Options", "nosniff")]


class Guard:
    """Passes a request on to `app` if it names this machine and holds the token."""

    def __init__(self, app: WSGIApplication, *, token: str, port: int) -> None:
        self._app = app
        self._token = token
        self._cookie = f"crtsearch_{port}"  # cookies know no ports, so their names must differ

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        if environ.get("HTTP_HOST", "").partition(":")[0] not in HOSTS:
            return _refuse(start_response, f"open the dashboard as http://{HOSTS[0]}, not by another name")
        query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        if any(key == TOKEN and self._is_token(value) for key, value in query):
            return self._set_cookie(environ, start_response, path, query)
        if not self._is_token(self._cookie_of(environ)):
            return _refuse(start_response, "open the address with ?token= that `crtsearch dashboard` printed")
        if method == "DELETE" or (method == "POST" and path.endswith("/rename")):
            return _refuse(
                start_response, "the sweep needs its study: this dashboard deletes and renames nothing"
            )
        if path.startswith(ARTIFACTS):
            start_response = _with_download(start_response)
        return self._app(environ, start_response)

    def _is_token(self, value: str) -> bool:
        return hmac.compare_digest(value.encode(), self._token.encode())

    def _cookie_of(self, environ: WSGIEnvironment) -> str:
        try:
            morsel = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(self._cookie)
        except CookieError:
            return ""
        return "" if morsel is None else morsel.value

    def _set_cookie(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        path: str,
        query: list[tuple[str, str]],
    ) -> Iterable[bytes]:
        """Lead to the same address without the token, so that it stays out of bookmarks and screenshots."""
        rest = urlencode([(key, value) for key, value in query if key != TOKEN])
        # Not "//host/...", which would lead to another machine.
        location = f"/{path.lstrip('/')}" + (f"?{rest}" if rest else "")
        cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Lax"
        start_response("303 See Other", [("Location", location), ("Set-Cookie", cookie)])
        return [b""]


def _refuse(start_response: StartResponse, reason: str) -> Iterable[bytes]:
    body = json.dumps({"reason": f"crtsearch: {reason}"}).encode()  # the dashboard shows the reason
    start_response("403 Forbidden", [("Content-Type", "application/json"), *AS_DOWNLOAD[1:]])
    return [body]


def _with_download(start_response: StartResponse) -> "Callable[..., Callable[[bytes], object]]":
    def start(status: str, headers: list[tuple[str, str]], *rest: object) -> Callable[[bytes], object]:
        return start_response(status, [*headers, *AS_DOWNLOAD], *rest)  # type: ignore[arg-type]

    return start
