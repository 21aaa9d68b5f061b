"""The methods that Tune calls, without a cluster, on the real pipeline and a tiny data set."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.sources import Sources
from crtcore.errors import DivergedError
from crtcore.pipeline import open_store, plan, prepare, read_sources
from crtcore.training.engine.history import EpochReport
from search.cluster import trainable as module
from search.cluster.trainable import StagedTrial


def started(experiment: Experiment, sources: Sources, params: dict[str, Any]) -> StagedTrial:
    """A trainable after Tune's `setup`, without the log folder that Tune's constructor makes."""
    trial = StagedTrial.__new__(StagedTrial)
    trial.setup({"number": 0, "params": params}, experiment=experiment, sources=sources)
    return trial


def steps(trial: StagedTrial) -> Iterator[dict[str, Any]]:
    """All results of a trial."""
    while True:
        result = trial.step()
        yield result
        report = result.get("report")
        if report is None or (report.stage == "finetune" and report.epoch == report.num_epochs):
            return


def test_one_step_is_one_epoch_and_the_next_trial_reuses_stages(tiny: Experiment) -> None:
    sources, store = read_sources(tiny), open_store(tiny)
    prepare(store, plan(tiny, sources))
    trial = started(tiny, sources, {"finetune.learning_rate": 0.01})
    reports = [result["report"] for result in steps(trial)]
    assert [(report.stage, report.epoch) for report in reports] == [
        ("pretrain", 1),
        ("features", 1),
        ("finetune", 1),
        ("finetune", 2),
    ]
    assert all("auc" in report.metrics for report in reports[2:])
    assert store.find(plan(override(tiny, {"finetune.learning_rate": 0.01}), sources).finetune) is not None

    assert trial.reset_config({"number": 1, "params": {"finetune.learning_rate": 0.02}})
    assert [result["report"].stage for result in steps(trial)] == ["finetune"] * 2

    assert trial.reset_config({"number": 2, "params": {"finetune.learning_rate": 0.01}})
    again = [result["report"] for result in steps(trial)]
    assert again == reports[2:]  # the stored reports, unchanged


def test_a_node_that_does_not_see_the_storage_halts_the_sweep(tiny: Experiment) -> None:
    trial = started(tiny, read_sources(tiny), {})
    (result,) = steps(trial)
    assert result["done"]
    assert "does not see what was prepared" in result["halt"] and "s3://" in result["halt"]


def test_a_trial_that_cannot_be_trained_ends_with_the_reason(
    tiny: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverging(*args: object) -> Iterator[EpochReport]:
        raise DivergedError("finetune/abc: the loss is nan in epoch 2")
        yield  # a generator, as run_trial is

    sources = read_sources(tiny)
    prepare(open_store(tiny), plan(tiny, sources))
    monkeypatch.setattr(module, "run_trial", diverging)
    assert list(steps(started(tiny, sources, {}))) == [
        {"done": True, "reason": "finetune/abc: the loss is nan in epoch 2"}
    ]


def test_a_trial_that_failed_before_waits_first(tiny: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    waited_s: list[float] = []
    monkeypatch.setattr(time, "sleep", waited_s.append)
    trial = started(tiny, read_sources(tiny), {})
    list(steps(trial))
    trial.reset_config({"number": 0, "params": {}, "wait_s": 4.0})
    assert waited_s == [0.0]  # not before its first step
    list(steps(trial))
    assert waited_s == [0.0, 4.0]


def test_other_errors_are_left_to_tune_which_tries_again(
    tiny: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*args: object) -> Iterator[EpochReport]:
        raise OSError("the disk is gone")
        yield  # a generator, as run_trial is

    sources = read_sources(tiny)
    prepare(open_store(tiny), plan(tiny, sources))
    monkeypatch.setattr(module, "run_trial", failing)
    with pytest.raises(OSError, match="the disk is gone"):
        next(steps(started(tiny, sources, {})))
