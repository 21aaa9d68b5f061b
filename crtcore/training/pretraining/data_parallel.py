"""Pre-train one network with several processes on this node: one for each GPU, each on a part of every batch.

This process starts the epochs and holds the state that `fit` asks for. The other processes hold the network.
They find each other through a file in a temporary folder and talk over the loopback interface only (NCCL
between GPUs, gloo between CPUs).
"""

import os
import socket
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy.typing as npt
import torch
from torch import Tensor, distributed

from crtcore.config import Experiment
from crtcore.data.loader import load_images
from crtcore.errors import ConfigError
from crtcore.model.backbones import Classifier, build
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.device import use_fixed_algorithms
from crtcore.training.engine.processes import Processes
from crtcore.training.engine.replicas import Replicas
from crtcore.training.pretraining.beat_scores import BeatScores
from crtcore.training.pretraining.beat_training import BeatTraining
from crtcore.training.pretraining.pretrain_set import OBJECTIVES, pretrain_set

Arrays = dict[str, npt.NDArray[Any]]
RENDEZVOUS: Final = "rendezvous"


def training_devices(experiment: Experiment, device: torch.device) -> tuple[torch.device, ...]:
    """The devices for pre-training by a trial on `device`: `resources.pretrain.gpus` GPUs, or one CPU.

    Raises ConfigError if fewer GPUs are visible.
    """
    num = experiment.resources.pretrain.gpus
    if num == 1 or device.type == "cpu":
        return (device,)
    num_visible = torch.cuda.device_count()
    if num_visible < num:
        raise ConfigError(
            f"resources.pretrain.gpus is {num} and PyTorch sees {num_visible} here; lower it, or run on a "
            "node with more GPUs"
        )
    return tuple(torch.device("cuda", index) for index in range(num))


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What each process needs to start."""

    experiment: Experiment
    uri: str
    cache: Path
    arrhythmia: Stage
    devices: tuple[torch.device, ...]
    num_threads: int
    rendezvous: Path
    piece_size: int


class ParallelTraining:
    """The learner `BeatTraining` with one process on each of `devices`. Use it in a `with` block.

    The gradient of a batch equals that of a single process up to rounding; see `Replicas` for batch norm. An
    error in a process is raised here; a process that dies gives RuntimeError. If a device runs out of memory,
    all processes restart from the last epoch whose state was asked for, and take half as many images at a
    time.
    """

    def __init__(
        self, experiment: Experiment, store: StageStore, arrhythmia: Stage, devices: tuple[torch.device, ...]
    ) -> None:
        self._experiment = experiment
        self._store = store
        self._arrhythmia = arrhythmia
        self._devices = devices
        self._piece_size = experiment.pretrain.batch_size
        self._progress: tuple[Arrays, str] | None = None  # None: no epoch is finished
        self._processes: Processes | None = None
        self._folder = ExitStack()

    def __enter__(self) -> Self:
        self._rendezvous = Path(self._folder.enter_context(tempfile.TemporaryDirectory()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop(gently=kind is None)
        self._folder.close()

    def run_epoch(self, epoch: int) -> tuple[dict[str, float], int]:
        while True:
            try:
                answer: tuple[dict[str, float], int] = self._running().ask("run_epoch", epoch)[0]
                return answer
            except torch.OutOfMemoryError:
                if self._piece_size // 2 < 2 * len(self._devices):
                    raise
            self._stop(gently=False)
            self._piece_size //= 2

    def state(self) -> dict[str, Tensor]:
        arrays: Arrays = self._running().ask_first("state")
        self._progress = arrays, "the state of an earlier epoch"
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def load_state(self, tensors: Mapping[str, Tensor], *, name: str) -> None:
        processes = self._running()
        self._progress = {key: tensor.numpy() for key, tensor in tensors.items()}, name
        processes.ask("load_state", *self._progress)

    @property
    def network(self) -> Classifier:
        """The current network, on the CPU."""
        config = self._experiment.pretrain
        classes, _ = OBJECTIVES[config.objective]
        network = build(config.depth, 0, classes, architecture=config.architecture)
        network.load_state_dict(
            {
                name.removeprefix("module."): tensor
                for name, tensor in self.state().items()
                if name.startswith("module.")
            }
        )
        return network

    @property
    def scores(self) -> BeatScores | None:
        """The `scores` of `BeatTraining`."""
        scores: BeatScores | None = self._running().ask_first("scores")
        return scores

    def _running(self) -> Processes:
        if self._processes is None:
            num = len(self._devices)
            task = _Task(
                experiment=self._experiment,
                uri=self._store.uri,
                cache=self._store.cache,
                arrhythmia=self._arrhythmia,
                devices=self._devices,
                num_threads=max(1, torch.get_num_threads() // num),
                rendezvous=self._rendezvous / f"{RENDEZVOUS}-{self._piece_size}",
                piece_size=self._piece_size,
            )
            self._processes = Processes(num, _Replica, [task])
            if self._progress is not None:
                self._processes.ask("load_state", *self._progress)
        return self._processes

    def _stop(self, *, gently: bool) -> None:
        if self._processes is not None:
            if gently:
                self._processes.ask("leave")
            self._processes.stop(gently=gently)
            self._processes = None


class _Replica:
    """The network's copy in one process, with the methods that `ParallelTraining` calls."""

    def __init__(self, rank: int, task: _Task) -> None:
        device = task.devices[rank]
        torch.set_num_threads(task.num_threads)
        if device.type == "cuda":
            torch.cuda.set_device(device)
            use_fixed_algorithms()
        _join(rank, task)
        store = StageStore(task.uri, cache=task.cache)
        images = load_images(store, task.arrhythmia)
        self._learner = BeatTraining(
            task.experiment,
            images,
            pretrain_set(images, task.experiment.pretrain, seed=task.experiment.seed),
            device,
            replicas=Replicas(rank, len(task.devices)),
            piece_size=task.piece_size,
        )

    def run_epoch(self, epoch: int) -> tuple[dict[str, float], int]:
        return self._learner.run_epoch(epoch)

    def state(self) -> Arrays:
        return {name: tensor.detach().cpu().numpy() for name, tensor in self._learner.state().items()}

    def load_state(self, arrays: Arrays, name: str) -> None:
        tensors = {key: torch.from_numpy(array) for key, array in arrays.items()}
        self._learner.load_state(tensors, name=name)

    def scores(self) -> BeatScores | None:
        return self._learner.scores

    def leave(self) -> None:
        """Leave the process group. All processes must call this."""
        distributed.destroy_process_group()


def _join(rank: int, task: _Task) -> None:
    """Join the process group."""
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    os.environ |= {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": loopback}
    distributed.init_process_group(
        "nccl" if task.devices[rank].type == "cuda" else "gloo",
        init_method=task.rendezvous.as_uri(),
        rank=rank,
        world_size=len(task.devices),
    )
