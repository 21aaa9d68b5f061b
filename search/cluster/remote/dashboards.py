"""Both dashboards of a cluster in the browser of this machine: Ray's, and Optuna's on one sweep."""

import shlex
import threading
from collections.abc import Callable
from pathlib import Path

from crtcore.errors import SweepError
from search.cluster.remote.job import DASHBOARD_PORT, PROJECT, find_job, job_client
from search.cluster.remote.tunnel import HOST, JOB_PORT, forwarded


def forward_dashboards(
    cluster: Path, name: str, *, port: int = DASHBOARD_PORT, on_ready: Callable[[str, str], None]
) -> None:
    """Serve Optuna's dashboard on sweep `name` from the head, on 127.0.0.1 there and here, until interrupted.

    `on_ready` gets the addresses of Ray's dashboard and of Optuna's once both answer. Raises SweepError if
    the cluster cannot be reached or no job ever ran that sweep.
    """
    with job_client(cluster) as client:
        job = find_job(client, name, running=False)
        if job is None:
            known = sorted({(each.metadata or {}).get("sweep", "") for each in client.list_jobs()} - {""})
            hint = (
                f"sweeps there: {', '.join(known)}" if known else "start one with `crtsearch sweep --cluster`"
            )
            raise SweepError(f"no job of {cluster} ran a sweep {name!r}; {hint}")
        storage = (job.metadata or {})["storage"]
    # The tilde is the head's to expand.
    options = f"--storage {storage if storage.startswith('~') else shlex.quote(storage)}"
    command = f"cd {PROJECT} && exec crtsearch dashboard {shlex.quote(name)} --port {port} {options}"
    with forwarded(cluster, [(JOB_PORT, JOB_PORT), (port, port)], command):
        on_ready(f"http://{HOST}:{JOB_PORT}/", f"http://{HOST}:{port}/")
        threading.Event().wait()  # until Ctrl-C
