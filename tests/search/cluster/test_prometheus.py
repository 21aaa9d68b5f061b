"""The sweep's metrics as Prometheus reads them from Ray's agent."""

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
import ray
from ray.tune.experiment import Trial

from crtcore.training.engine.history import EpochReport
from search.cluster.prometheus import SweepMetrics
from search.study.update import State, TrialUpdate

DEADLINE_S = 60.0


@pytest.fixture
def metrics_url() -> Iterator[str]:
    """The address that Prometheus would read, on a new Ray."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ray.init(
        address="local",
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=128 << 20,
        _metrics_export_port=port,
        _system_config={"metrics_report_interval_ms": 500},
    )
    try:
        yield f"http://127.0.0.1:{port}/metrics"
    finally:
        ray.shutdown()


def update(
    number: int, state: State, value: float | None = None, reused: tuple[str, ...] = ()
) -> TrialUpdate:
    return TrialUpdate(number=number, state=state, params={}, value=value, reused=reused)


def scraped(url: str, wanted: set[str]) -> dict[str, float]:
    """Our metrics by name and labels, as soon as all the wanted ones are there."""
    found: dict[str, float] = {}
    deadline_s = time.monotonic() + DEADLINE_S
    while not wanted <= set(found) and time.monotonic() < deadline_s:
        time.sleep(0.3)
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except urllib.error.URLError:
            continue  # the agent is not up yet
        for line in lines:
            if line.startswith("ray_crtsearch"):
                name, _, rest = line.partition("{")
                labels, _, value = rest.rpartition("} ")
                ours = [
                    each.partition("=")[2].strip('"')
                    for each in labels.split(",")
                    if each.partition("=")[0].lower() in ("state", "stage", "sweep")
                ]
                found[" ".join((name, *sorted(ours)))] = float(value)
    return found


@pytest.mark.ray
def test_prometheus_sees_the_sweep(metrics_url: str) -> None:
    metrics = SweepMetrics("observed")
    metrics.on_update(update(0, "WAITING"))
    metrics.on_update(update(0, "RUNNING"))
    metrics.on_update(update(1, "RUNNING", reused=("pretrain",)))
    for number in (0, 1):
        trial = Trial("observed", config={"number": number}, stub=True)
        for stage in ("pretrain", "finetune"):
            report = EpochReport(
                stage=stage, epoch=3, num_epochs=3, metrics={}, num_images=100 * (number + 1), seconds=2.0
            )
            metrics.on_trial_result(1, [trial], trial, {"report": report})
        metrics.on_trial_result(1, [trial], trial, {"done": True})
    metrics.on_update(update(2, "COMPLETE", 0.8))
    metrics.on_update(update(3, "COMPLETE", 0.7))
    expected = {
        "ray_crtsearch_best_auc observed": 0.8,
        "ray_crtsearch_trials complete observed": 2,
        "ray_crtsearch_trials observed running": 2,
        "ray_crtsearch_trials fail observed": 0,
        "ray_crtsearch_trials observed waiting": 0,
        "ray_crtsearch_images_per_s observed": 150.0,
        "ray_crtsearch_stages_reused_total observed pretrain": 1,
        "ray_crtsearch_stages_built_total observed pretrain": 1,
        "ray_crtsearch_stages_built_total finetune observed": 2,
    }
    found = scraped(metrics_url, set(expected))
    assert {name: found.get(name) for name in expected} == expected
