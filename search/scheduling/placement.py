"""How many trials fit on the nodes, and the error if none ever will."""

import os
from collections.abc import Iterable, Mapping

import torch

from crtcore.config import TrialResources
from crtcore.errors import SweepError

Node = Mapping[str, float]  # "CPU" and "GPU" -> how many


def this_machine() -> Node:
    """What a sweep without a cluster can use."""
    return {"CPU": float(os.cpu_count() or 1), "GPU": float(torch.cuda.device_count())}


def num_fitting(nodes: Iterable[Node], trial: TrialResources) -> int:
    """How many trials fit on the nodes at a time. A trial runs on one node, a fraction of a GPU is part of
    one GPU.
    """
    return sum(min(_num_by_cpu(node, trial), _num_by_gpu(node, trial)) for node in nodes)


def require_place(trial: TrialResources, nodes: Iterable[Node]) -> None:
    """Raise SweepError if no node can hold a trial."""
    nodes = tuple(nodes)
    if num_fitting(nodes, trial) == 0:
        there = "; ".join(f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs" for node in nodes)
        raise SweepError(
            f"no node has {trial.cpus:g} CPUs and {trial.gpus:g} GPUs for a trial (there are: "
            f"{there or 'none'}); lower resources.trial, or add a node that is large enough"
        )


def _num_by_cpu(node: Node, trial: TrialResources) -> int:
    return int(node.get("CPU", 0.0) / trial.cpus + 1e-9)  # 0.3 / 0.1 is a little less than 3


def _num_by_gpu(node: Node, trial: TrialResources) -> int:
    if trial.gpus == 0:
        return _num_by_cpu(node, trial)
    num_gpus = int(node.get("GPU", 0.0))
    if trial.gpus < 1:
        return num_gpus * int(1 / trial.gpus + 1e-9)
    return int(num_gpus / trial.gpus + 1e-9)
