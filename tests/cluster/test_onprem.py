"""configs/clusters/onprem.yaml, for real: `ray up` over SSH on three machines, a sweep as a Ray job, and a
worker that is lost half-way.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray._private.utils import get_num_cpus

from crtcore.configfile import load_experiment, override
from crtcore.errors import SweepError
from search.cluster.remote.dashboards import forward_dashboards
from search.cluster.remote.job import find_job, job_client, sweep_on_cluster
from search.cluster.remote.tunnel import HOST, JOB_PORT, RAY, forwarded, free_port
from search.study.study import open_study
from tests.cluster.builds import Builds
from tests.cluster.hosts import HEAD, WORKERS, Hosts, require_hosts
from tests.search.sweep_here import sweep_here

REPOSITORY = Path(__file__).resolve().parents[2]
ONPREM = REPOSITORY / "configs" / "clusters" / "onprem.yaml"
NAME = "lost-worker"
NUM_TRIALS = 6
NUM_EPOCHS = 8
COMMAND_TIMEOUT_S = 100.0
SWEEP_TIMEOUT_S = 150.0


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What `ray up` left; the sweep's config and its storage."""

    hosts: Hosts
    file: Path
    config: Path
    storage: Path
    token: str


@pytest.fixture
def cluster(tmp_path: Path, simulated_dir: Path) -> Iterator[Cluster]:
    """The committed file with only provider, auth and paths replaced, up and running."""
    require_hosts()
    hosts = Hosts(tmp_path / "hosts", shared=tmp_path / "shared")
    (tmp_path / "home").mkdir()
    (tmp_path / "ray").mkdir()
    (tmp_path / "job").mkdir()
    config = _write_config(tmp_path / "job" / f"{NAME}.yaml")
    file = _write_cluster_file(tmp_path / "cluster.yaml", hosts)
    with pytest.MonkeyPatch.context() as patch:
        for key, value in {
            "HOME": str(tmp_path / "home"),
            "RAY_TMPDIR": str(tmp_path / "ray"),
            "RAY_AUTH_MODE": "token",
            "RAY_UP_enable_autoscaler_v2": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
        }.items():
            patch.setenv(key, value)
        for key in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
            patch.delenv(key, raising=False)
        patch.chdir(REPOSITORY)  # the mounts are relative to it
        try:
            hosts.start()
            ray("get-auth-token", "--generate")
            ray("up", "-y", "--no-config-cache", str(file))
            ray("rsync-up", str(file), f"{simulated_dir}/", "~/data/")
            yield Cluster(
                hosts=hosts,
                file=file,
                config=config,
                storage=tmp_path / "shared" / "storage",
                token=(tmp_path / "home" / ".ray" / "auth_token").read_text().strip(),
            )
        finally:
            hosts.stop()


@pytest.fixture
def builds(cluster: Cluster) -> Iterator[Builds]:
    watching = Builds(cluster.storage)
    yield watching
    watching.close()


def _write_config(path: Path) -> Path:
    config = {
        "name": NAME,
        "arrhythmia": {"database": "mitdb", "max_beats_per_record": 8},
        "cohort": {"manifest": "cohort/cohort.csv", "leads": ["II", "V1"], "max_beats_per_recording": 2},
        "pretrain": {"epochs": 2, "batch_size": 32},
        "finetune": {"epochs": NUM_EPOCHS, "folds": 2, "batch_size": 16, "frozen_groups": 4},
        "search": {
            "trials": NUM_TRIALS,
            "sampler": "grid",
            "scheduler": {"name": "none"},
            "space": {
                "pretrain.learning_rate": [0.001, 0.003],
                "finetune.learning_rate": [0.001, 0.003, 0.01],
            },
        },
        # More than half of the CPUs that every host counts, so each holds one trial.
        "resources": {"trial": {"cpus": get_num_cpus() / 2 + 0.5}, "max_failures": 3},
    }
    path.write_text(yaml.safe_dump(config))
    return path


def _write_cluster_file(path: Path, hosts: Hosts) -> Path:
    file = yaml.safe_load(ONPREM.read_text().replace("~/crtsearch-env", sys.prefix))
    file["provider"] |= {"head_ip": HEAD, "worker_ips": list(WORKERS.values())}
    file["auth"] = {"ssh_user": "root", "ssh_private_key": str(hosts.key)}
    path.write_text(yaml.safe_dump(file, width=1000))
    return path


def _set(**values: object) -> list[str]:
    return [text for key, value in values.items() for text in ("--set", f"{key}={value}")]


def ray(*arguments: str) -> str:
    """What a `ray` command said. It must succeed."""
    done = subprocess.run(
        [*RAY, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def get(url: str, token: str | None) -> tuple[int, Any]:
    """Status and JSON body of the answer to a request."""
    request = urllib.request.Request(
        url, headers={} if token is None else {"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, None


def lose_worker(cluster: Cluster, builds: Builds) -> Counter[str]:
    """Kill a worker's raylet while both workers are in the midst of fine-tuning; the epochs that the two
    trials had saved by then.
    """
    deadline_s = time.monotonic() + SWEEP_TIMEOUT_S
    raylets: list[int] = []
    while time.monotonic() < deadline_s:
        raylets = raylets or cluster.hosts.processes("crt-w1", "raylet")
        saved = builds.saved_epochs()
        running = [
            digest
            for digest, num_saved in saved.items()
            if 2 <= num_saved <= NUM_EPOCHS - 4 and not builds.is_committed(digest)
        ]
        if len(running) == len(WORKERS) and len(saved) > len(WORKERS):
            (raylet,) = raylets
            os.kill(raylet, signal.SIGKILL)
            return Counter({digest: saved[digest] for digest in running})
        time.sleep(0.02)
    pytest.fail(f"both workers never trained at once; epochs saved: {builds.saved_epochs()}")


def ranking(storage: Path) -> list[tuple[Any, ...]]:
    trials = open_study(str(storage), NAME, create=False).get_trials(deepcopy=False)
    rows = [(trial.state.name, trial.value, sorted(trial.params.items())) for trial in trials]
    return sorted(rows, key=lambda row: (row[0], -(row[1] or 0.0), row[2]))


class Seen(Exception):  # noqa: N818  # no error: what ends a dashboard that was looked at
    """The dashboards answered."""


@pytest.mark.ray
@pytest.mark.timeout(480)  # of two busy cores
# Ray 2.60 follows logs with an argument that aiohttp 3.14 deprecates.
@pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning")
def test_a_sweep_outlives_a_worker(
    cluster: Cluster, builds: Builds, simulated_dir: Path, tmp_path: Path
) -> None:
    port = free_port()
    with forwarded(cluster.file, [(port, JOB_PORT)]):  # by `ray dashboard`
        url = f"http://{HOST}:{port}"
        assert get(f"{url}/api/jobs/", None)[0] == 401
        assert get(f"{url}/api/jobs/", "0" * 64)[0] in (401, 403)
        assert get(f"{url}/api/jobs/", cluster.token) == (200, [])
        metadata = {"sweep": NAME, "storage": str(cluster.storage), "config": cluster.config.name}
        ray(
            *("job", "submit", "--address", url, "--no-wait", "--submission-id", NAME),
            *("--metadata-json", json.dumps(metadata), "--working-dir", str(cluster.config.parent)),
            *("--", "crtsearch", "sweep", cluster.config.name, "--address", "auto"),
            *_set(storage=cluster.storage, data="~/data"),
        )
    before = lose_worker(cluster, builds)
    log, told = follow(cluster, f"storage={cluster.storage}")
    assert any(f"job {NAME};" in sentence for sentence in told)  # the job that ran, and none besides
    assert re.search(r"^trial \d+ running finetune epoch \d+/\d+ AUC \S+ \(.+\)$", log, re.MULTILINE), log

    commits, after = builds.commits(), builds.saved_epochs()
    assert set(commits.values()) == {1}, commits  # no stage was built twice
    assert sum(stage.startswith("finetune/") for stage in commits) == NUM_TRIALS
    # What was lost went on after the epochs that were saved: one epoch at most was trained again.
    assert all(after[digest] in (NUM_EPOCHS - 1, NUM_EPOCHS) for digest in before), (before, after)
    alone = override(
        load_experiment(cluster.config), {"storage": str(tmp_path / "alone"), "data": simulated_dir}
    )
    sweep_here(alone)
    assert len(ranking(cluster.storage)) == NUM_TRIALS
    assert ranking(cluster.storage) == ranking(Path(alone.storage))

    with pytest.raises(SweepError, match="failed"):
        follow(cluster, "storage=/root/not-shared", name="blind")
    with job_client(cluster.file) as client:
        job = find_job(client, "blind", running=False)
        assert job is not None and job.metadata is not None and job.submission_id is not None
        assert job.metadata["config"] == str(cluster.config)
        assert job.metadata["dashboard"].startswith("http://127.0.0.1:")
        log = client.get_job_logs(job.submission_id)
    assert re.search(
        r"crtsearch: storage /root/not-shared is not shared.* crt-w2 \(10\.213\.77\.12\) does not see it", log
    ), log

    def look(ray_url: str, optuna_url: str) -> None:
        assert get(f"{ray_url}api/version", cluster.token)[0] == 200
        assert "?token=" in optuna_url
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        browser.open(optuna_url, timeout=30).close()
        origin = optuna_url.partition("/dashboard/")[0]
        studies = json.load(browser.open(f"{origin}/api/studies", timeout=30))["study_summaries"]
        assert [study["study_name"] for study in studies] == [NAME]
        raise Seen

    with pytest.raises(Seen):
        forward_dashboards(cluster.file, NAME, port=free_port(), on_ready=look)

    said = ray("exec", str(cluster.file), f"crtsearch best {NAME} --storage {cluster.storage} --json")
    assert '"rows"' in said, said
    ray("rsync-down", str(cluster.file), "~/data/cohort/", f"{tmp_path}/cohort/")
    assert (tmp_path / "cohort" / "cohort.csv").is_file()
    ray("down", "-y", str(cluster.file))
    assert cluster.hosts.processes("crt-head", "raylet") == []


def follow(cluster: Cluster, override: str, name: str | None = None) -> tuple[str, list[str]]:
    """The log of a sweep that is followed to its end, and what was told besides."""
    log: list[str] = []
    told: list[str] = []
    overrides = [override, "data=~/data"]
    sweep_on_cluster(
        cluster.file, str(cluster.config), overrides, name=name, on_log=log.append, tell=told.append
    )
    return "".join(log), told
