"""Serves optuna-dashboard on a sweep's study, with the figures of each trial."""

import functools
import secrets
import threading
import time
from collections.abc import Callable
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna_dashboard

from crtcore.errors import SweepError
from search.dashboard.artifacts import artifacts_dir
from search.dashboard.drawn_artifacts import DrawnArtifacts
from search.dashboard.guard import TOKEN, Guard
from search.study.folder import stage_store
from search.study.study import open_study, study_id, study_storage

HOST = "127.0.0.1"  # the dashboard can change the study, so it must not be reachable from other machines
REFRESH_S = 5.0  # the shortest time between two updates of the note
SHARE = 0.05  # of a core that updates of the note may use, since the sweep may run on this machine


class _Server(ThreadingMixIn, WSGIServer):
    """One thread per request, because the page sends several at once and some are slow."""

    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: one line per request would hide the address that the user needs."""


def serve_dashboard(storage: str, name: str, *, port: int = 8080, on_ready: Callable[[str], None]) -> None:
    """Serve the study of sweep `name`, running or finished, until interrupted. `on_ready` gets the address as
    soon as the server answers. The address holds a token, and no request is answered without it.

    Figures are drawn when they are first opened, and kept in the sweep's folder. The study's note is updated
    while the sweep runs. Port 0 means any free port. SweepError if there is no such sweep or the port is
    taken.
    """
    study = open_study(storage, name, create=False)
    artifacts = DrawnArtifacts(
        artifacts_dir(storage, name),
        stage_store(storage),
        functools.partial(_class_names, storage, name),
        functools.partial(_grad_cam, storage, name),
    )
    app = optuna_dashboard.wsgi(study_storage(storage, name), artifact_store=artifacts)
    try:
        server = make_server(HOST, port, app, server_class=_Server, handler_class=_QuietHandler)
    except OSError as error:
        raise SweepError(
            f"port {port} on {HOST} cannot be used ({error.strerror}); give another port with --port, or 0 "
            f"for any free port"
        ) from error
    closing = threading.Event()
    keeper = threading.Thread(target=_keep_note, args=(storage, name, closing), daemon=True)
    with server:
        token = secrets.token_urlsafe(24)
        server.set_app(Guard(app, token=token, port=server.server_port))
        keeper.start()
        page = f"http://{HOST}:{server.server_port}/dashboard/studies/{study_id(study)}"
        on_ready(f"{page}?{TOKEN}={token}")
        try:
            server.serve_forever()
        finally:
            closing.set()


# These imports load torch and matplotlib. They are made at the first use, so that the first page opens fast.


def _class_names(storage: str, name: str) -> tuple[str, str]:
    from search.study.config import stored_experiment

    return stored_experiment(storage, name).cohort.class_names


def _grad_cam(storage: str, name: str, digest: str) -> str | None:
    from search.dashboard.grad_cam import draw_grad_cam

    return draw_grad_cam(storage, name, digest)


def _keep_note(storage: str, name: str, closing: threading.Event) -> None:
    from search.dashboard.note import NoteKeeper

    keeper = NoteKeeper(storage, name)
    pause_s = 0.0
    while not closing.wait(pause_s):
        start_s = time.process_time()
        keeper.refresh()
        pause_s = max(REFRESH_S, (time.process_time() - start_s) / SHARE)
