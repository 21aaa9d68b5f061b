"""Trials whose stages were lost, run again as Ray tasks."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import ray
from ray.exceptions import RayTaskError

from crtcore.config import Experiment
from crtcore.data.sources import Sources
from crtcore.errors import CrtError
from crtcore.pipeline import open_store, plan, run_trial
from crtcore.training.engine.device import use_device
from search.cluster.connection import connected, node_resources
from search.cluster.shared_storage import require_shared
from search.scheduling.placement import require_place

if TYPE_CHECKING:
    from ray import ObjectRef


def rebuild_on_ray(
    experiments: Sequence[Experiment], sources: Sources, *, address: str | None
) -> Iterator[None]:
    """Build all stages of the experiments, as many at a time as fit, yielding after each. Raises the first
    error of a task.
    """
    if not experiments:
        return
    trial = experiments[0].resources.trial
    with connected(address):
        if address is not None:
            require_shared(experiments[0].storage)
        require_place(trial, tuple(node_resources()))
        task = ray.remote(num_cpus=trial.cpus, num_gpus=trial.gpus)(_run)
        shared = ray.put(sources)
        running: list[ObjectRef[None]] = [task.remote(experiment, shared) for experiment in experiments]
        while running:
            finished, running = ray.wait(running)
            try:
                ray.get(finished)
            except RayTaskError as error:
                if isinstance(error.cause, CrtError):
                    raise error.cause from None
                raise
            yield from (None for _ in finished)


def _run(experiment: Experiment, sources: Sources) -> None:
    device = use_device(experiment.resources.trial)
    for _ in run_trial(open_store(experiment), experiment, plan(experiment, sources), device):
        pass
