"""cluster.yaml passes Ray's own validation, and keeps the promises that its comments make."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

REPOSITORY = Path(__file__).resolve().parent.parent
Config = dict[str, Any]


@pytest.fixture(scope="module")
def config() -> Config:
    loaded: Config = yaml.safe_load((REPOSITORY / "cluster.yaml").read_text())
    return loaded


@pytest.fixture
def prepared(config: Config) -> Config:
    ready: Config = prepare_config(config)
    return ready


def test_passes_rays_validation(prepared: Config) -> None:
    validate_config(prepared)


def test_the_head_runs_no_trials_and_workers_start_from_zero(prepared: Config) -> None:
    types = prepared["available_node_types"]
    head = types.pop(prepared["head_node_type"])
    assert head["resources"] == {"CPU": 0}
    assert any("--num-cpus=0" in command for command in prepared["head_start_ray_commands"])
    assert types
    for worker in types.values():
        assert worker["min_workers"] == 0
        assert 0 < worker["max_workers"] <= prepared["max_workers"]
        assert worker["resources"]["GPU"] >= 1
        market = worker["node_config"]["InstanceMarketOptions"]
        assert market["MarketType"] == "spot"
        assert float(market["SpotOptions"]["MaxPrice"]) > 0


def test_every_node_has_the_same_image(prepared: Config) -> None:
    images = {node["node_config"]["ImageId"] for node in prepared["available_node_types"].values()}
    assert len(images) == 1


def test_only_ssh_is_open_to_the_world(prepared: Config) -> None:
    rules = prepared["provider"]["security_group"]["IpPermissions"]
    assert [(rule["FromPort"], rule["ToPort"]) for rule in rules] == [(22, 22)]
    assert any("--dashboard-host=127.0.0.1" in command for command in prepared["head_start_ray_commands"])
    assert any("RAY_AUTH_MODE=token" in command for command in prepared["setup_commands"])


def test_rays_version_is_that_of_constraints(prepared: Config) -> None:
    constraints = (REPOSITORY / "constraints.txt").read_text()
    tested = re.findall(r"^ray==(\S+)$", constraints, flags=re.MULTILINE)
    named = re.findall(r"ray\[tune,default\]==([\d.]+)", "\n".join(prepared["setup_commands"]))
    assert len(tested) == 1
    assert named == tested


def test_mounts_exist(config: Config) -> None:
    """The project travels as a whole; the token is the user's own, outside the project."""
    mounts = config["file_mounts"]
    project = (REPOSITORY / mounts["~/crtsearch"]).resolve()
    assert (project / "constraints.txt").is_file()
    assert all(str(target).startswith("~/") for target in mounts)
