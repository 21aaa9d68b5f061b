"""Sweeps as jobs on a real Ray job server; only the SSH in between is left out, and `crtsearch` is a script
that says how it was called. tests/cluster/test_onprem.py does all of it over SSH.
"""

import functools
import gc
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster
from ray.job_submission import JobStatus

from crtcore.errors import ConfigError, SweepError
from search.cluster.remote import job
from search.cluster.remote.job import find_job, job_client, sweep_on_cluster
from search.cluster.remote.tunnel import free_port

# Ray 2.60 passes `ssl=None` to aiohttp when it reads logs.
pytestmark = pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning")

CLUSTER = Path("cluster.yaml")
CONFIG = """
name: {name}
storage: /shared/storage
arrhythmia: {{database: mitdb}}
cohort: {{manifest: cohort.csv}}
search: {{trials: 1}}
"""
CRTSEARCH = """#!/bin/sh
echo "called: $@"
echo "in: $(pwd)"
grep "^name:" "$2"
grep -q "^name: broken" "$2" && exit 1
while [ ! -e gate ]; do sleep 0.1; done
"""
DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the project on the head, whose job server runs."""
    folder = tmp_path_factory.mktemp("head")
    for name in ("bin", "project"):
        (folder / name).mkdir()
    program = folder / "bin" / "crtsearch"
    program.write_text(CRTSEARCH)
    program.chmod(0o755)
    (folder / "token").write_text("secret\n")
    nodes = Cluster()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PATH", str(program.parent), prepend=":")
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # whether or not an earlier Ray made a token in HOME
        try:
            node = nodes.add_node(
                num_cpus=1,
                include_dashboard=True,
                dashboard_port=free_port(),
                # Jobs need the agent, and another Ray on this machine may hold its usual port.
                dashboard_agent_listen_port=free_port(),
                object_store_memory=100 << 20,
            )
            port = int(node.webui_url.rpartition(":")[2])
            monkeypatch.setattr(job, "PROJECT", str(folder / "project"))
            monkeypatch.setattr(job, "TOKEN_FILE", folder / "token")
            monkeypatch.setattr(job, "free_port", lambda: port)
            monkeypatch.setattr(job, "forwarded", lambda cluster, ports: nullcontext())
            _wait_for_agent()
            yield folder / "project"
        finally:
            nodes.shutdown()  # type: ignore[no-untyped-call]  # Ray annotates only part of its API
            gc.collect()  # the sockets that Ray left open


def _wait_for_agent() -> None:
    """Ray answers before it can start jobs."""
    deadline_s = time.monotonic() + DEADLINE_S
    with job_client(CLUSTER) as client:
        while True:
            try:
                client.submit_job(entrypoint="true")
                return
            except RuntimeError as error:
                if "No available agent" not in str(error) or time.monotonic() > deadline_s:
                    raise
                time.sleep(0.2)


def config(folder: Path, name: str) -> str:
    path = folder / "my sweep.yaml"
    path.write_text(CONFIG.format(name=name))
    return str(path)


@pytest.mark.ray
def test_a_job_outlives_its_submitter_and_the_same_command_shows_its_log(head: Path, tmp_path: Path) -> None:
    path = config(tmp_path, "demo")
    submit = functools.partial(sweep_on_cluster, CLUSTER, path, ["seed=5"], warm_start="other", as_json=True)

    def interrupt(sentence: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        submit(on_log=interrupt, tell=interrupt)
    told: list[str] = []
    log: list[str] = []

    def tell(sentence: str) -> None:
        told.append(sentence)
        (head / "gate").touch()  # only now the job may end

    submit(on_log=log.append, tell=tell)
    text = "".join(log)
    assert "/my sweep.yaml --address auto --set seed=5 --warm-start other --json" in text
    assert f"in: {head}" in text and "name: demo" in text
    assert told[1].endswith(
        f"crtsearch sweep '{path}' --set seed=5 --warm-start other --cluster cluster.yaml"
    )
    with job_client(CLUSTER) as client:
        (found,) = [each for each in client.list_jobs() if (each.metadata or {}).get("sweep") == "demo"]
        assert found.status == JobStatus.SUCCEEDED
        assert found.metadata is not None and found.metadata["storage"] == "/shared/storage"
        assert f"as job {found.submission_id};" in told[0]
        assert find_job(client, "demo", running=False) == found
        assert find_job(client, "demo", running=True) is None
        assert find_job(client, "nobody", running=False) is None


@pytest.mark.ray
def test_a_job_that_fails_says_how_to_resume(head: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SweepError, match=r"job broken-\w+ failed .*; to resume the sweep, run crtsearch sweep"
    ):
        sweep_on_cluster(
            CLUSTER, config(tmp_path, "broken"), on_log=lambda text: None, tell=lambda text: None
        )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("finetune.lerning_rate=1", "learning_rate"),
        ("storage=here", "storage 'here' is a relative path, which nodes do not share"),
    ],
)
def test_a_wrong_setting_is_refused_before_the_head_is_reached(
    tmp_path: Path, override: str, message: str
) -> None:
    path = config(tmp_path, "demo")
    with pytest.raises(ConfigError, match=message):
        sweep_on_cluster(CLUSTER, path, [override], on_log=lambda text: None, tell=lambda text: None)


def test_without_a_token_it_says_where_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "TOKEN_FILE", tmp_path / "none")
    with (
        pytest.raises(SweepError, match=r"there is no .*none, .*ray get-auth-token --generate"),
        job_client(CLUSTER),
    ):
        pass
