"""Run sweeps as Ray jobs on a cluster's head. They continue when the machine that submitted them is gone."""

import asyncio
import json
import os
import shlex
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from crtcore.configfile import find_config, load_experiment
from crtcore.errors import ConfigError, SweepError
from search.cluster.auth_token import TOKEN_FILE, protect_token
from search.cluster.remote.tunnel import HOST, JOB_PORT, forwarded, free_port

if TYPE_CHECKING:  # Ray takes seconds to import
    from ray.job_submission import JobDetails, JobSubmissionClient

# The cluster files put this repository and the token there.
PROJECT = "~/crtsearch"
DASHBOARD_PORT = 8080


def sweep_on_cluster(
    cluster: Path,
    config: str,
    overrides: Sequence[str] = (),
    *,
    name: str | None = None,
    warm_start: str | None = None,
    as_json: bool = False,
    on_log: Callable[[str], None],
    tell: Callable[[str], None],
) -> None:
    """Run `crtsearch sweep` as a job on the head of the cluster that `ray up CLUSTER` started, and show its
    log until it ends. If a job already runs that sweep, show its log instead.

    `on_log` gets the log in pieces, `tell` gets sentences for the user. The job keeps running after Ctrl-C
    and when the connection is lost.

    Raises ConfigError for a wrong setting or a storage that other machines cannot see; SweepError if the head
    cannot be reached, the connection is lost or the sweep fails.
    """
    named = list(overrides) if name is None else [*overrides, f"name={json.dumps(name)}"]
    experiment = load_experiment(config, named)  # a wrong key is reported here, before anything is submitted
    path = find_config(config)
    storage = _storage(path, named)
    options = _options(overrides, name, warm_start)
    back = f"crtsearch sweep {shlex.join([config, *options, '--cluster', str(cluster)])}"
    watch = shlex.join(["crtsearch", "dashboard", experiment.name, "--cluster", str(cluster)])
    with job_client(cluster) as client:
        running = find_job(client, experiment.name, running=True)
        if running is None:
            metadata = {
                "sweep": experiment.name,
                "config": config,
                "storage": storage,
                "dashboard": f"http://{HOST}:{DASHBOARD_PORT}/",
                "dashboard_command": watch,
            }
            job_id = _submit(client, path, [*options, *(["--json"] if as_json else [])], metadata)
        else:
            assert running.submission_id is not None  # only submitted jobs have our metadata
            job_id = running.submission_id
        tell(f"{experiment.name} runs on the cluster as job {job_id}; it does not need this machine")
        tell(f"show its log again: {back}")
        tell(f"open its dashboards: {watch}")
        _follow(client, job_id, on_log, back)


@contextmanager
def job_client(cluster: Path) -> "Iterator[JobSubmissionClient]":
    """Ray's client for the jobs of a cluster, through SSH. Raises SweepError if the head cannot be reached or
    refuses the token.
    """
    # Ray itself reads the token only if RAY_AUTH_MODE was set when Ray was first imported.
    headers = {"Authorization": f"Bearer {_token()}"}
    # Ray takes seconds to import.
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    port = free_port()
    with forwarded(cluster, [(port, JOB_PORT)]):
        # Ray prefers this variable to the argument, and it may name another cluster.
        os.environ["RAY_API_SERVER_ADDRESS"] = f"http://{HOST}:{port}"
        try:
            client = JobSubmissionClient(f"http://{HOST}:{port}", headers=headers)
        except AuthenticationError as error:
            raise SweepError(
                f"the head of {cluster} refuses the token in {TOKEN_FILE}; copy the file from the machine "
                "where `ray up` was called"
            ) from error
        finally:
            del os.environ["RAY_API_SERVER_ADDRESS"]
        yield client


def _token() -> str:
    protect_token(TOKEN_FILE)
    try:
        return TOKEN_FILE.expanduser().read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise SweepError(
            f"there is no {TOKEN_FILE}, and the cluster asks for a token; copy the file from the machine "
            "where `ray up` was called, or make it with `ray get-auth-token --generate` before `ray up`"
        ) from error


def find_job(client: "JobSubmissionClient", sweep: str, *, running: bool) -> "JobDetails | None":
    """The newest job of a sweep, among all or among the `running` ones; None if there is none."""
    jobs = [job for job in client.list_jobs() if (job.metadata or {}).get("sweep") == sweep]
    if running:
        jobs = [job for job in jobs if not job.status.is_terminal()]
    return max(jobs, key=lambda job: job.start_time or 0, default=None)


def _submit(client: "JobSubmissionClient", path: Path, options: list[str], metadata: dict[str, str]) -> str:
    # The config is uploaded with the job. The repository is already on the head.
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, Path(folder, path.name))
        command = f'exec crtsearch sweep "$OLDPWD"/{shlex.quote(path.name)} --address auto'
        job_id: str = client.submit_job(
            entrypoint=f"cd {PROJECT} && {command} {shlex.join(options)}",
            submission_id=f"{metadata['sweep']}-{uuid.uuid4().hex[:8]}",
            metadata=metadata,
            runtime_env={"working_dir": folder},
        )
    return job_id


def _follow(client: "JobSubmissionClient", job_id: str, on_log: Callable[[str], None], back: str) -> None:
    from aiohttp import ClientError
    from ray.job_submission import JobStatus

    async def tail() -> None:
        async for text in client.tail_job_logs(job_id):
            on_log(text)

    try:
        asyncio.run(tail())
        info = client.get_job_info(job_id)
    except (RuntimeError, ClientError, OSError) as error:
        raise SweepError(
            f"the connection to job {job_id} is lost, but the sweep is still running; to see its log: {back}"
        ) from error
    if info.status != JobStatus.SUCCEEDED:
        what = "was stopped" if info.status == JobStatus.STOPPED else "failed"
        raise SweepError(f"job {job_id} {what} (its log is above); to resume the sweep, run {back}")


def _options(overrides: Sequence[str], name: str | None, warm_start: str | None) -> list[str]:
    options = [text for override in overrides for text in ("--set", override)]
    for option, value in (("--name", name), ("--warm-start", warm_start)):
        if value is not None:
            options += [option, value]
    return options


def _storage(path: Path, overrides: Sequence[str]) -> str:
    """The storage as the config has it. The head, not this machine, resolves it to an absolute path."""
    storage = str(yaml.safe_load(path.read_text(encoding="utf-8")).get("storage", "storage"))
    for override in overrides:
        key, _, value = override.partition("=")
        if key.strip() == "storage":
            storage = value.strip()
    if "://" not in storage and not storage.startswith(("/", "~")):
        raise ConfigError(
            f"storage {storage!r} is a relative path, which nodes do not share; give --set storage= an "
            "absolute path that all nodes share, or an s3:// or gs:// URI"
        )
    return storage
