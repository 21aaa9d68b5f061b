"""cluster.yaml against EC2 as moto simulates it on 127.0.0.1: what is asked for by `ray up`, and for workers.

No machine starts there; what follows the launch is test_onprem.py's subject.
"""

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler._private.commands import _bootstrap_config
from ray.autoscaler.tags import NODE_KIND_WORKER, TAG_RAY_NODE_KIND

from search.cluster.remote.tunnel import RAY
from tests.aws_server import aws_server

REPOSITORY = Path(__file__).resolve().parents[2]
ACCOUNT = "123456789012"  # moto's
LAUNCH_TIMEOUT_S = 90.0
PROFILES = ("HEAD-PROFILE", "WORKER-PROFILE")


@pytest.fixture
def region(tmp_path: Path) -> Iterator[str]:
    """A region with a default network, one image and the instance profiles; nothing outside is reached."""
    with aws_server() as address, pytest.MonkeyPatch.context() as patch:
        for key, value in {
            "AWS_ENDPOINT_URL": f"http://{address}",
            "HOME": str(tmp_path),  # Ray keeps the key pair that it makes in ~/.ssh
            "RAY_TMPDIR": str(tmp_path),
            "RAY_USAGE_STATS_ENABLED": "0",
        }.items():
            patch.setenv(key, value)
        patch.chdir(REPOSITORY)  # the mounts are relative to it
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray" / "auth_token").write_text("0" * 64)
        iam = boto3.client("iam", "us-east-1")
        for profile in PROFILES:
            iam.create_instance_profile(InstanceProfileName=profile)
        yield "us-west-2"
        # Its state is the process's.
        urllib.request.urlopen(f"http://{address}/moto-api/reset", data=b"").close()


@pytest.fixture
def filled_in(region: str, tmp_path: Path) -> Path:
    """cluster.yaml as a user leaves it: what stands in capitals is filled in, the rest as committed."""
    image = boto3.client("ec2", region).describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    text = (REPOSITORY / "cluster.yaml").read_text()
    path = tmp_path / "cluster.yaml"
    path.write_text(text.replace("ami-IMAGE", image).replace("::ACCOUNT:", f"::{ACCOUNT}:"))
    return path


def instances(region: str) -> list[dict[str, Any]]:
    reservations = boto3.client("ec2", region).describe_instances()["Reservations"]
    return [instance for reservation in reservations for instance in reservation["Instances"]]


def require_only_ssh_from_outside(region: str, instance: dict[str, Any]) -> None:
    (group,) = instance["SecurityGroups"]
    assert group["GroupName"] == "crtsearch"
    described = boto3.client("ec2", region).describe_security_groups(GroupIds=[group["GroupId"]])
    permissions = described["SecurityGroups"][0]["IpPermissions"]
    from_outside = [rule for rule in permissions if rule["IpRanges"] or rule["Ipv6Ranges"]]
    assert [(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in from_outside] == [
        ("tcp", 22, 22)
    ]
    within = [pair["GroupId"] for rule in permissions for pair in rule["UserIdGroupPairs"]]
    assert set(within) == {group["GroupId"]}


@pytest.mark.timeout(180)
def test_ray_up_asks_for_the_head(region: str, filled_in: Path) -> None:
    command = [*RAY, "up", "-y", "--no-config-cache", str(filled_in)]
    log = filled_in.with_suffix(".log")
    with log.open("wb") as said:
        # It waits for an SSH server that never comes, and is ended once it has asked for the head.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
        try:
            deadline_s = time.monotonic() + LAUNCH_TIMEOUT_S
            while not instances(region) and process.poll() is None and time.monotonic() < deadline_s:
                time.sleep(0.5)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert len(instances(region)) == 1, log.read_text()
    (head,) = instances(region)
    assert head["InstanceType"] == "m6i.large"
    assert "InstanceLifecycle" not in head  # bought outright: a head that AWS takes back would end the sweep
    assert head["IamInstanceProfile"]["Arn"].endswith("HEAD-PROFILE")
    tags = {tag["Key"]: tag["Value"] for tag in head["Tags"]}
    assert (tags["ray-node-type"], tags["ray-user-node-type"]) == ("head", "head")
    require_only_ssh_from_outside(region, head)


@pytest.mark.timeout(180)
def test_workers_are_asked_for_as_the_file_says(region: str, filled_in: Path) -> None:
    """By the AWS half of Ray's autoscaler, with the configuration that `ray up` would leave on the head."""
    config = _bootstrap_config(yaml.safe_load(filled_in.read_text()), no_config_cache=True)
    provider = AWSNodeProvider(  # type: ignore[no-untyped-call]  # Ray annotates only part of its API
        config["provider"], config["cluster_name"]
    )
    asked: list[dict[str, Any]] = []
    provider.ec2_fail_fast.meta.client.meta.events.register(
        "provide-client-params.ec2.RunInstances", lambda params, **rest: asked.append(params)
    )
    types = dict(config["available_node_types"])
    del types[config["head_node_type"]]
    for node_type in types.values():
        provider.create_node(node_type["node_config"], {TAG_RAY_NODE_KIND: NODE_KIND_WORKER}, 1)

    started = {
        (instance["InstanceType"], instance.get("InstanceLifecycle", "on-demand"))
        for instance in instances(region)
    }
    assert started == {("g4dn.xlarge", "spot"), ("g5.xlarge", "spot"), ("g4dn.xlarge", "on-demand")}
    prices = [
        float(request["InstanceMarketOptions"]["SpotOptions"]["MaxPrice"])
        for request in asked
        if "InstanceMarketOptions" in request
    ]
    assert prices == [0.40, 0.80]
    for instance in instances(region):
        assert instance["IamInstanceProfile"]["Arn"].endswith("WORKER-PROFILE")
        require_only_ssh_from_outside(region, instance)
