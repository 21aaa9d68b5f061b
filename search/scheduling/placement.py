"""Whether a trial can be placed at all."""

import os
from collections.abc import Mapping, Sequence

import torch

from crtcore.config import TrialResources
from crtcore.errors import SweepError

Node = Mapping[str, float]  # "CPU" and "GPU" -> how many


def this_machine() -> Node:
    """What a sweep without a cluster has."""
    return {"CPU": float(os.cpu_count() or 1), "GPU": float(torch.cuda.device_count())}


def require_place(trial: TrialResources, nodes: Sequence[Node]) -> None:
    """Raises SweepError if none of `nodes`, of which there are some, can ever hold a trial."""
    if not nodes or any(
        node.get("CPU", 0.0) >= trial.cpus and node.get("GPU", 0.0) >= trial.gpus for node in nodes
    ):
        return
    there = "; ".join(f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs" for node in nodes)
    raise SweepError(
        f"no node has {trial.cpus:g} CPUs and {trial.gpus:g} GPUs for a trial (there are: {there}), so it "
        "could never be placed; lower resources.trial, or check where the sweep shall run"
    )
