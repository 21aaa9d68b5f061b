"""cluster.yaml and onprem.yaml pass Ray's own validation, and keep the promises that their comments make."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil

REPOSITORY = Path(__file__).resolve().parents[2]
Config = dict[str, Any]


@pytest.fixture(scope="module")
def config() -> Config:
    loaded: Config = yaml.safe_load((REPOSITORY / "cluster.yaml").read_text())
    return loaded


@pytest.fixture(scope="module")
def onprem() -> Config:
    loaded: Config = yaml.safe_load((REPOSITORY / "configs" / "clusters" / "onprem.yaml").read_text())
    return loaded


@pytest.fixture
def prepared(config: Config) -> Config:
    ready: Config = prepare_config(config)
    return ready


def test_passes_rays_validation(prepared: Config) -> None:
    validate_config(prepared)


def test_machines_of_ones_own_pass_too(onprem: Config) -> None:
    ready = prepare_config(onprem)
    validate_config(ready)
    (node_type,) = ready["available_node_types"].values()
    assert node_type["min_workers"] == len(onprem["provider"]["worker_ips"])


@pytest.mark.parametrize(
    "key", ["setup_commands", "head_start_ray_commands", "worker_start_ray_commands", "file_mounts"]
)
def test_both_are_set_up_and_started_alike(config: Config, onprem: Config, key: str) -> None:
    assert config[key] == onprem[key]


def test_the_head_runs_no_trials_and_workers_start_from_zero(prepared: Config) -> None:
    types = prepared["available_node_types"]
    head = types.pop(prepared["head_node_type"])
    assert head["resources"] == {"CPU": 0}
    assert any("--num-cpus=0" in command for command in prepared["head_start_ray_commands"])
    for worker in types.values():
        assert worker["min_workers"] == 0
        assert 0 < worker["max_workers"] <= prepared["max_workers"]
        assert worker["resources"]["GPU"] >= 1


def is_spot(node_type: Config) -> bool:
    """Whether AWS may take the node back; its price is then bounded."""
    market = node_type["node_config"].get("InstanceMarketOptions")
    if market is None:
        return False
    assert market["MarketType"] == "spot" and float(market["SpotOptions"]["MaxPrice"]) > 0
    return True


def test_spot_comes_first_and_on_demand_where_there_is_none(prepared: Config) -> None:
    """As Ray's autoscaler decides, with what it knows of node types that could not be started lately."""
    types = prepared["available_node_types"]
    workers = [name for name in types if name != prepared["head_node_type"]]
    started = []
    lacking: list[str] = []
    while len(lacking) < len(workers):
        started.append(type_for_a_trial(prepared, lacking))
        lacking.append(started[-1])
    assert set(started) == set(workers)
    assert [is_spot(types[name]) for name in started] == [True, True, False]
    assert started[0] == "t4-spot"


def type_for_a_trial(prepared: Config, lacking: list[str]) -> str:
    """The node type that Ray would start for one trial on a GPU."""
    autoscaling = AutoscalingConfig(prepared, skip_content_hash=True)
    trial = ResourceRequestUtil.make({"CPU": 1, "GPU": 1})
    reply = ResourceDemandScheduler().schedule(
        SchedulingRequest(
            disable_launch_config_check=autoscaling.disable_launch_config_check(),
            node_type_configs=autoscaling.get_node_type_configs(),
            max_num_nodes=autoscaling.get_max_num_nodes(),
            resource_requests=ResourceRequestUtil.group_by_count([trial]),
            recoverable_resource_availabilities=dict.fromkeys(lacking, 0.0),
        )
    )
    (launched,) = {launch.instance_type for launch in reply.to_launch} - {prepared["head_node_type"]}
    return str(launched)


def test_every_node_has_the_same_image(prepared: Config) -> None:
    images = {node["node_config"]["ImageId"] for node in prepared["available_node_types"].values()}
    assert len(images) == 1


def test_nothing_is_open_but_to_ssh_and_the_token(prepared: Config) -> None:
    """SSH is opened by Ray itself (test_ec2.py looks at the rules); whatever stands here would be opened
    besides.
    """
    assert prepared["provider"]["security_group"] == {"GroupName": "crtsearch"}
    assert any("--dashboard-host=127.0.0.1" in command for command in prepared["head_start_ray_commands"])
    assert any("RAY_AUTH_MODE=token" in command for command in prepared["setup_commands"])


def test_rays_version_is_that_of_constraints(prepared: Config) -> None:
    constraints = (REPOSITORY / "constraints.txt").read_text()
    tested = re.findall(r"^ray==(\S+)$", constraints, flags=re.MULTILINE)
    named = re.findall(r"ray\[tune,default\]==([\d.]+)", "\n".join(prepared["setup_commands"]))
    assert len(tested) == 1
    assert named == tested


def test_what_travels_is_all_that_an_installation_needs(config: Config) -> None:
    """Each mount keeps its name below ~/crtsearch; the token is the user's own, outside the project."""
    mounts = dict(config["file_mounts"])
    assert mounts.pop("~/.ray/auth_token") == "~/.ray/auth_token"
    assert {target: f"~/crtsearch/{source}" for target, source in mounts.items()} == {
        each: each for each in mounts
    }
    assert all((REPOSITORY / source).exists() for source in mounts.values())
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [*wheel["packages"], *wheel["force-include"]]
    needed += [project["project"]["readme"], *project["project"]["license-files"]]
    assert {*needed, "pyproject.toml", "constraints.txt"} == set(mounts.values())
