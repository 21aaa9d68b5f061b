import os
import signal
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from crtcore.errors import ConfigError, DivergedError
from crtcore.model.checkpoint import decode_tensors, load_classifier
from crtcore.stages.stage import Stage
from crtcore.training.engine.epochs import fit
from crtcore.training.engine.history import EpochReport, decode_history
from crtcore.training.pretraining import data_parallel
from crtcore.training.pretraining.beat_scores import read_scores
from crtcore.training.pretraining.data_parallel import ParallelTraining, training_devices
from crtcore.training.pretraining.pretrain import pretrain_stage, run_pretrain
from tests.crtcore.training.tiny_sets import CPU, Prepared, experiment_with

STARTS_PROCESSES = pytest.mark.timeout(300)  # each imports PyTorch, which takes a minute on a busy machine
# Without batch norm, so that two processes compute the same as one. Two batches per epoch.
EXACT = {"architecture": "alexnet", "split": "inter_patient", "batch_size": 10}


@STARTS_PROCESSES
def test_two_processes_train_like_one_and_resume_its_run(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = experiment_with(pretrain={**EXACT, "epochs": 3})
    stage = pretrain_stage(experiment, prepared.arrhythmia)

    def run(stop_after: int = 99) -> list[EpochReport]:
        reports = run_pretrain(prepared.store, stage, experiment, prepared.arrhythmia, CPU)
        return list(islice(reports, stop_after))

    straight = run()
    weights = load_classifier(prepared.store.path(stage, "model.safetensors")).state_dict()
    scores = read_scores(prepared.store.path(stage, "scores.parquet"))
    prepared.store.discard(stage)
    first = run(stop_after=2)  # the first epoch is saved, because another report was asked for
    module = "crtcore.training.pretraining.pretrain"
    monkeypatch.setattr(f"{module}.training_devices", lambda experiment, device: (CPU, CPU))
    monkeypatch.setattr(f"{module}.ParallelTraining", _short_of_memory)
    saved = []
    save = prepared.store.save_progress

    def save_and_read(stage: Stage, chunks: Iterable[memoryview]) -> None:
        save(stage, chunks)
        progress = prepared.store.load_progress(stage)
        assert progress is not None
        _, metadata = decode_tensors(progress, name="progress")
        saved.append(decode_history(metadata["history"]))
        assert [path.name for path in progress.parent.glob(f"*{stage.digest}*")] == [progress.name]

    monkeypatch.setattr(prepared.store, "save_progress", save_and_read)
    resumed = run()
    assert saved == [resumed[:2]]  # one checkpoint, after both epochs
    assert resumed[:1] == first[:1]
    for ours, theirs in zip(resumed, straight, strict=True):
        assert ours.metrics == pytest.approx(theirs.metrics, abs=1e-5)
        assert ours.num_images == theirs.num_images
    for name, tensor in load_classifier(prepared.store.path(stage, "model.safetensors")).state_dict().items():
        torch.testing.assert_close(tensor, weights[name], rtol=0, atol=1e-5, msg=name)
    again = read_scores(prepared.store.path(stage, "scores.parquet"))
    np.testing.assert_allclose(again.log_probability_NK, scores.log_probability_NK, atol=1e-4)


def _short_of_memory(*given: Any) -> ParallelTraining:
    """Batches of 10 in three pieces, each divided between the processes."""
    learner = ParallelTraining(*given)
    learner._piece_size = 4
    return learner


@STARTS_PROCESSES
def test_divergence_keeps_its_type_and_a_killed_process_is_an_error(prepared: Prepared) -> None:
    experiment = experiment_with(pretrain={**EXACT, "learning_rate": 1e30})
    stage = pretrain_stage(experiment, prepared.arrhythmia)

    def lose_one() -> None:
        with ParallelTraining(experiment, prepared.store, prepared.arrhythmia, (CPU, CPU)) as learner:
            with pytest.raises(DivergedError, match=r"diverged in epoch 1"):
                list(fit(prepared.store, stage, learner, num_epochs=2, finish=lambda reports: None))
            pid = learner._running()._processes[1].pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            learner.run_epoch(2)

    with pytest.raises(RuntimeError, match=r"process 1 of 2 .* ended with exit code -9"):
        lose_one()


class ScarceMemory:
    """A stand-in for the processes: pieces of more than 5 images do not fit."""

    log: list[tuple[Any, ...]]

    def __init__(self, num: int, make: object, arguments: Sequence[Any]) -> None:
        (task,) = arguments
        self.size = task.piece_size
        self.log.append(("start", num, self.size))

    def ask(self, method: str, *arguments: Any) -> list[Any]:
        self.log.append((method, *arguments))
        if method == "run_epoch" and self.size > 5:
            raise torch.OutOfMemoryError("no room")
        return [({"loss": 0.5}, 20)]

    def stop(self, *, gently: bool) -> None:
        self.log.append(("stop", gently))


def test_out_of_memory_restarts_all_processes_from_the_last_state_with_smaller_pieces(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[tuple[Any, ...]] = []
    monkeypatch.setattr(ScarceMemory, "log", log, raising=False)
    monkeypatch.setattr(data_parallel, "Processes", ScarceMemory)
    experiment = experiment_with(pretrain={**EXACT, "batch_size": 20})
    state = torch.arange(3)
    with ParallelTraining(experiment, prepared.store, prepared.arrhythmia, (CPU, CPU)) as learner:
        learner.load_state({"module.x": state}, name="progress")
        assert learner.run_epoch(2) == ({"loss": 0.5}, 20)
    sizes = [entry[2] for entry in log if entry[0] == "start"]
    assert sizes == [20, 10, 5]
    assert [entry[0] for entry in log] == [
        *["start", "load_state", "run_epoch", "stop"] * 2,
        *["start", "load_state", "run_epoch", "leave", "stop"],
    ]
    assert all(np.array_equal(entry[1]["module.x"], state) for entry in log if entry[0] == "load_state")
    assert [entry[1] for entry in log if entry[0] == "stop"] == [False, False, True]

    four = (CPU,) * 4  # a piece of 5 would leave a process with one image
    with (
        ParallelTraining(experiment, prepared.store, prepared.arrhythmia, four) as learner,
        pytest.raises(torch.OutOfMemoryError),
    ):
        learner.run_epoch(1)


def test_fewer_gpus_than_in_the_config_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = experiment_with()
    resources = experiment.resources.model_validate({"trial": {"gpus": 4}, "pretrain": {"gpus": 4}})
    four = experiment.model_copy(update={"resources": resources})
    cuda = torch.device("cuda")
    assert training_devices(experiment, cuda) == (cuda,)
    assert training_devices(four, CPU) == (CPU,)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert [str(device) for device in training_devices(four, cuda)] == [
        "cuda:0",
        "cuda:1",
        "cuda:2",
        "cuda:3",
    ]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match=r"resources.pretrain.gpus is 4 and PyTorch sees 1 here; lower it"):
        training_devices(four, cuda)


def test_the_number_of_gpus_does_not_change_the_digest(prepared: Prepared) -> None:
    one = experiment_with(pretrain=EXACT)
    resources = one.resources.model_validate({"trial": {"gpus": 4}, "pretrain": {"gpus": 4}})
    four = one.model_copy(update={"resources": resources})
    digests = {pretrain_stage(each, prepared.arrhythmia).digest for each in (one, four)}
    assert len(digests) == 1
