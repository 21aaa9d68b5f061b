"""optuna-dashboard on a sweep's study: histories, learning curves, importances, each trial's pictures."""

import functools
import threading
import time
from collections.abc import Callable
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna_dashboard

from crtcore.config import Experiment
from crtcore.errors import SweepError
from crtcore.stages.store import StageStore
from search.dashboard.artifacts import artifacts_dir
from search.dashboard.drawn_artifacts import DrawnArtifacts
from search.study.study import open_study, study_storage

HOST = "127.0.0.1"  # the dashboard can change the study, so only this machine may reach it
REFRESH_S = 5.0  # how often the note looks for news at the most
SHARE = 0.05  # of a core that the note may take from a sweep on the same machine


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a request: the page asks for several things at once, some of them slow."""

    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A line per request would bury the address that the user needs."""


def serve_dashboard(storage: str, name: str, *, port: int = 8080, on_ready: Callable[[str], None]) -> None:
    """Serve the study of sweep `name`, running or finished, until interrupted; `on_ready` gets its address
    once it answers.

    Pictures are drawn when they are looked at and kept in the sweep's folder; the study's note follows the
    sweep. Port 0 takes any free one. SweepError if there is no such sweep or the port is taken.
    """
    study = open_study(storage, name, create=False)  # names the sweeps there are, if this is none of them
    store = StageStore(storage, cache=Experiment.model_fields["cache"].default)
    artifacts = DrawnArtifacts(
        artifacts_dir(storage, name),
        store,
        functools.partial(_class_names, storage, name),
        functools.partial(_grad_cam, storage, name),
    )
    app = optuna_dashboard.wsgi(study_storage(storage, name), artifact_store=artifacts)
    try:
        server = make_server(HOST, port, app, server_class=_Server, handler_class=_QuietHandler)
    except OSError as error:
        raise SweepError(
            f"port {port} on {HOST} cannot be used ({error.strerror}); give another with --port, "
            f"or 0 for any free one"
        ) from error
    closing = threading.Event()
    keeper = threading.Thread(target=_keep_note, args=(storage, name, closing), daemon=True)
    with server:
        keeper.start()
        on_ready(f"http://{HOST}:{server.server_port}/dashboard/studies/{study._study_id}")
        try:
            server.serve_forever()
        finally:
            closing.set()


# What follows loads torch and statistics, which the first page can do without.


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
