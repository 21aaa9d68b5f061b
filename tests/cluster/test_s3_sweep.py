"""A sweep whose storage is an object store: a real S3 server (moto) on 127.0.0.1."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from search.study.folder import sweep_dir
from search.study.update import TrialUpdate
from search.sweep.run import run_sweep
from tests.aws_server import aws_server
from tests.search.sweep.test_run import DRIVER, REPOSITORY, record, small_sweep
from tests.search.sweep_here import sweep_here

BUCKET = "sweeps"


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[str]:
    """The URI of an empty bucket. The sweep's record goes below a home folder of its own."""
    with aws_server() as address, pytest.MonkeyPatch.context() as patch:
        for key, value in {
            "AWS_ENDPOINT_URL": f"http://{address}",
            "HOME": str(tmp_path / "home"),
            "RAY_AUTH_MODE": "disabled",
        }.items():
            patch.setenv(key, value)
        boto3.client("s3", "us-east-1").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}/lab?scheme=http&endpoint_override={address}&region=us-east-1"


def manifests() -> dict[str, str]:
    """When each committed stage's manifest was written, by its key."""
    listed = boto3.client("s3", "us-east-1").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {
        each["Key"]: str(each["LastModified"]) for each in listed if each["Key"].endswith("manifest.json")
    }


@pytest.mark.ray
@pytest.mark.timeout(400)
def test_a_sweep_on_s3_is_killed_and_resumed(tiny: Experiment, storage: str) -> None:
    whole = small_sweep(tiny)
    sweep_here(whole)

    killed = override(whole, {"storage": storage})
    command = [sys.executable, "-c", DRIVER, killed.model_dump_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as driver:
        assert driver.stdout is not None
        for line in driver.stdout:
            if line == "1 RUNNING finetune 1\n":
                break
        os.kill(driver.pid, signal.SIGKILL)
    before = manifests()
    assert any("/pretrain/" in key for key in before)
    assert sweep_dir(storage, killed.name).is_relative_to(Path.home())

    updates: list[TrialUpdate] = []
    leaderboard = run_sweep(killed, on_update=updates.append)
    assert record(killed) == record(whole)
    assert not any(update.stage == "pretrain" for update in updates)  # read, not built again
    assert before.items() <= manifests().items()  # nothing was written a second time
    assert sorted(row.number for row in leaderboard.rows) == [0, 1, 2]
    again = run_sweep(killed, address="127.0.0.1:1")  # would fail if it looked for a Ray
    assert again.to_json() == leaderboard.to_json()
