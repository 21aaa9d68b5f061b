"""What is asked of the head to show both dashboards. tests/cluster/test_onprem.py opens them for real."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ray.job_submission import JobDetails, JobStatus, JobType

from crtcore.errors import SweepError
from search.cluster.remote import dashboards
from search.cluster.remote.dashboards import _address, forward_dashboards
from search.cluster.remote.tunnel import JOB_PORT

CLUSTER = Path("cluster.yaml")
WARNING = "Warning: Permanently added '10.0.0.7' to the list of known hosts.\r\n"


def job(sweep: str, storage: str, start_time: int) -> JobDetails:
    return JobDetails(
        type=JobType.SUBMISSION,
        entrypoint="crtsearch sweep",
        status=JobStatus.SUCCEEDED,
        start_time=start_time,
        metadata={"sweep": sweep, "storage": storage},
    )


class Head:
    """A cluster with jobs, which records what is forwarded from it."""

    def __init__(self, *jobs: JobDetails) -> None:
        self._jobs = jobs
        self.forwards: list[tuple[Path, list[tuple[int, int]], str]] = []

    def list_jobs(self) -> list[JobDetails]:
        return list(self._jobs)

    @contextmanager
    def client(self, cluster: Path) -> "Iterator[Head]":
        yield self

    @contextmanager
    def forwarded(
        self, cluster: Path, ports: list[tuple[int, int]], command: str
    ) -> Iterator[Callable[[], str]]:
        self.forwards.append((cluster, ports, command))
        yield lambda: WARNING + f"demo: http://127.0.0.1:{ports[-1][0]}/dashboard/studies/1?token=aB-3_x\r\n"


def forward(head: Head, name: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that are ready; then the user presses Ctrl-C."""
    monkeypatch.setattr(dashboards, "job_client", head.client)
    monkeypatch.setattr(dashboards, "forwarded", head.forwarded)
    ready: list[str] = []

    def interrupt(rays: str, optunas: str) -> None:
        ready.extend((rays, optunas))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        forward_dashboards(CLUSTER, name, port=9000, on_ready=interrupt)
    return ready


def test_both_dashboards_are_forwarded_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    head = Head(job("demo", "/old", 1), job("demo", "/shared/my storage", 2), job("other", "/other", 3))
    ready = forward(head, "demo", monkeypatch)
    assert ready == [
        f"http://127.0.0.1:{JOB_PORT}/",
        "http://127.0.0.1:9000/dashboard/studies/1?token=aB-3_x",
    ]
    ((cluster, ports, command),) = head.forwards
    assert (cluster, ports) == (CLUSTER, [(JOB_PORT, JOB_PORT), (9000, 9000)])
    assert command == (
        "cd ~/crtsearch && exec crtsearch dashboard demo --port 9000 --storage '/shared/my storage'"
    )


def test_the_head_expands_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    head = Head(job("demo", "~/storage", 1))
    forward(head, "demo", monkeypatch)
    assert head.forwards[0][2].endswith(" --storage ~/storage")


def test_a_sweep_that_no_job_ran_lists_those_that_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    head = Head(job("b", "/b", 1), job("a", "/a", 2), job("b", "/b", 3))
    monkeypatch.setattr(dashboards, "job_client", head.client)
    with pytest.raises(SweepError, match="has run a sweep 'demo'; sweeps there: a, b"):
        forward_dashboards(CLUSTER, "demo", on_ready=lambda rays, optunas: None)
    monkeypatch.setattr(dashboards, "job_client", Head().client)
    with pytest.raises(SweepError, match="start one with `crtsearch sweep --cluster`"):
        forward_dashboards(CLUSTER, "demo", on_ready=lambda rays, optunas: None)


def test_the_printed_address_is_found_however_late_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboards, "POLL_S", 0.0)
    line = "demo: http://127.0.0.1:8080/dashboard/studies/1?token=aB-3_x\r\n"
    outputs = itertools.chain(["", WARNING], itertools.repeat(WARNING + line))
    assert _address(lambda: next(outputs), 8080) == line.split()[1]


def test_an_address_of_another_port_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboards, "POLL_S", 0.0)
    monkeypatch.setattr(dashboards, "PRINT_TIMEOUT_S", 0.1)
    with pytest.raises(SweepError, match="did not print its address"):
        _address(lambda: "demo: http://127.0.0.1:8080/dashboard/studies/1?token=aB-3_x", 9000)
