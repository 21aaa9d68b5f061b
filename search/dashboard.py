"""optuna-dashboard on a sweep's study: histories, learning curves, parameter importances, each trial."""

from collections.abc import Callable
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna_dashboard

from crtcore.errors import SweepError
from search.study import STUDY_FILE, open_study, sweep_dir

HOST = "127.0.0.1"  # the dashboard can change the study, so only this machine may reach it


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a request: the page asks for several things at once, some of them slow."""

    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A line per request would bury the address that the user needs."""


def serve_dashboard(storage: str, name: str, *, port: int = 8080, on_ready: Callable[[str], None]) -> None:
    """Serve the study of sweep `name` until interrupted; `on_ready` gets the address once it answers.

    Port 0 takes any free one. SweepError if there is no such sweep or the port is taken.
    """
    open_study(storage, name, create=False)  # names the sweeps there are, if this is none of them
    app = optuna_dashboard.wsgi(f"sqlite:///{sweep_dir(storage, name) / STUDY_FILE}")
    try:
        server = make_server(HOST, port, app, server_class=_Server, handler_class=_QuietHandler)
    except OSError as error:
        raise SweepError(
            f"port {port} on {HOST} cannot be used ({error.strerror}); give another with --port, "
            f"or 0 for any free one"
        ) from error
    with server:
        on_ready(f"http://{HOST}:{server.server_port}/")
        server.serve_forever()
