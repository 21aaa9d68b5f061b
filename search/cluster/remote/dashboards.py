"""Show both dashboards of a cluster in a browser on this machine: Ray's, and Optuna's for one sweep."""

import re
import shlex
import threading
import time
from collections.abc import Callable
from pathlib import Path

from crtcore.errors import SweepError
from search.cluster.remote.job import DASHBOARD_PORT, PROJECT, find_job, job_client
from search.cluster.remote.tunnel import HOST, JOB_PORT, POLL_S, forwarded

PRINT_TIMEOUT_S = 20.0  # SSH may deliver the output later than the port


def forward_dashboards(
    cluster: Path, name: str, *, port: int = DASHBOARD_PORT, on_ready: Callable[[str, str], None]
) -> None:
    """Run Optuna's dashboard for sweep `name` on the cluster's head and forward it to 127.0.0.1 here, until
    interrupted.

    `on_ready` gets the addresses of Ray's and of Optuna's dashboard once both answer. Raises SweepError if
    the cluster cannot be reached or no job has run that sweep.
    """
    with job_client(cluster) as client:
        job = find_job(client, name, running=False)
        if job is None:
            known = sorted({(each.metadata or {}).get("sweep", "") for each in client.list_jobs()} - {""})
            hint = (
                f"sweeps there: {', '.join(known)}" if known else "start one with `crtsearch sweep --cluster`"
            )
            raise SweepError(f"no job on the cluster of {cluster} has run a sweep {name!r}; {hint}")
        storage = (job.metadata or {})["storage"]
    # The head must expand the tilde, so it is not quoted.
    options = f"--storage {storage if storage.startswith('~') else shlex.quote(storage)}"
    command = f"cd {PROJECT} && exec crtsearch dashboard {shlex.quote(name)} --port {port} {options}"
    with forwarded(cluster, [(JOB_PORT, JOB_PORT), (port, port)], command) as printed:
        on_ready(f"http://{HOST}:{JOB_PORT}/", _address(printed, port))
        threading.Event().wait()  # until Ctrl-C


def _address(printed: Callable[[], str], port: int) -> str:
    """The address that the dashboard on the head printed, with its token. The port is the same here."""
    address = re.compile(rf"http://{re.escape(HOST)}:{port}/\S+")
    deadline_s = time.monotonic() + PRINT_TIMEOUT_S
    while (found := address.search(printed())) is None:
        if time.monotonic() > deadline_s:
            raise SweepError("the dashboard on the head answers, but did not print its address; try again")
        time.sleep(POLL_S)
    return found[0]
