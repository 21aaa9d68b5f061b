"""How long a sweep would compute and how much it would store. The time comes from a few images that are run
through each network on this machine.
"""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import humanize
import torch
from torch import Tensor

from crtcore.config import CohortConfig, Experiment
from crtcore.data.sources import Sources
from crtcore.model.backbones import GROUPS, Backbone
from crtcore.pipeline import plan
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.device import Precision, autocast, use_device
from search.sweep.stage_counts import variants_of

TYPICAL_RR_S: Final = 0.8  # 75 beats per minute
PROBE_IMAGES: Final = 32
IMAGE_SHAPE: Final = (64, 64)
FLOAT_BYTES: Final = 4
FORWARD_SHARE: Final = 1 / 3  # scoring is a forward pass; training also runs backward, at twice the cost


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A rough forecast. `hours` are those of one trial slot on this machine if no trial stops early,
    `num_bytes` is the size of the stages to build.
    """

    num_pretrainings: int
    hours: float
    num_bytes: int

    def sentence(self) -> str:
        """The estimate in words."""
        minutes = max(1, round(60 * self.hours))
        duration = humanize.precisedelta(60 * minutes, minimum_unit="minutes", format="%d")
        plural = "" if self.num_pretrainings == 1 else "s"
        return (
            f"Time: at most about {duration} ({self.num_pretrainings} pre-training{plural}) on a machine "
            "like this one, if trials run one at a time and none stops early. "
            f"Disk space: about {humanize.naturalsize(self.num_bytes)}."
        )


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What one image costs in one network: seconds in the frozen groups, bytes of their output, seconds to
    train the other groups on that output. `num_weights` is the size of the whole network.
    """

    prefix_s: float
    prefix_bytes: int
    tail_s: float
    num_weights: int


def estimate(
    store: StageStore,
    experiment: Experiment,
    sources: Sources,
    *,
    num_trials: int,
    num_database_beats: int,
    num_cohort_beats: int,
) -> Estimate | None:
    """The cost of `num_trials` more trials, spread evenly over the search space. None if a trial needs a GPU
    and this machine has none.

    A set that is prepared already says how many images it has; for the others the numbers of beats are used.
    """
    if experiment.resources.trial.gpus and not torch.cuda.is_available():
        return None
    planned = [(variant, plan(variant, sources)) for variant in variants_of(experiment)]
    stages = plan(experiment, sources)
    return estimate_missing(
        pretrain=_missing(store, ((variant, each.pretrain) for variant, each in planned)),
        features=_missing(store, ((variant, each.features) for variant, each in planned)),
        finetune=[variant for variant, _ in planned],
        num_trials=num_trials,
        num_arrhythmia_images=_num_images(store, stages.arrhythmia, otherwise=num_database_beats),
        num_cohort_images=_num_images(
            store, stages.cohort, otherwise=num_cohort_beats * len(sources.cohort_leads)
        ),
        device=use_device(experiment.resources.trial),
    )


def expected_beats(cohort: CohortConfig, durations_s: Iterable[float]) -> int:
    """How many beats of recordings of these lengths will be used, at a typical heart rate."""
    most = cohort.max_beats_per_recording
    beats = (round(duration_s / TYPICAL_RR_S) for duration_s in durations_s)
    return sum(count if most is None else min(most, count) for count in beats)


def estimate_missing(
    *,
    pretrain: Sequence[Experiment],
    features: Sequence[Experiment],
    finetune: Sequence[Experiment],
    num_trials: int,
    num_arrhythmia_images: int,
    num_cohort_images: int,
    device: torch.device,
) -> Estimate:
    """The cost of `num_trials` trials. `pretrain` and `features` hold one experiment per stage that is not
    built yet; the trials are spread evenly over `finetune`.
    """
    seconds = num_bytes = 0.0
    share = min(1.0, num_trials / max(1, len(pretrain)))  # each trial needs at most one of them
    for experiment in pretrain:
        probe = probe_of(experiment, 0, device)
        if experiment.pretrain.objective != "none":
            num_images = experiment.pretrain.images_per_epoch or num_arrhythmia_images
            seconds += share * num_images * experiment.pretrain.epochs * probe.tail_s
        num_bytes += share * probe.num_weights * FLOAT_BYTES
    share = min(1.0, num_trials / max(1, len(features)))
    for experiment in features:
        probe = probe_of(experiment, experiment.finetune.frozen_groups, device)
        seconds += share * num_cohort_images * probe.prefix_s
        num_bytes += share * num_cohort_images * probe.prefix_bytes
    for experiment in finetune:
        config = experiment.finetune
        probe = probe_of(experiment, config.frozen_groups, device)
        num_passes = config.repeats * (config.folds - 1 + FORWARD_SHARE)
        trial_s = num_cohort_images * config.epochs * num_passes * probe.tail_s
        seconds += num_trials / len(finetune) * trial_s
    return Estimate(
        num_pretrainings=min(len(pretrain), num_trials), hours=seconds / 3600, num_bytes=round(num_bytes)
    )


def _missing(store: StageStore, stages: Iterable[tuple[Experiment, Stage | None]]) -> list[Experiment]:
    """One experiment for each different stage that is not in the store."""
    missing = {
        stage.digest: experiment
        for experiment, stage in stages
        if stage is not None and store.find(stage) is None
    }
    return list(missing.values())


def _num_images(store: StageStore, prepared: Stage, *, otherwise: int) -> int:
    manifest = store.find(prepared)
    return otherwise if manifest is None else int(manifest.facts["num_images"])


def probe_of(experiment: Experiment, frozen_groups: int, device: torch.device) -> Probe:
    """The probe of an experiment's network; measured once per process."""
    config = experiment.pretrain
    return _measure(config.architecture, config.depth, frozen_groups, device, experiment.resources.precision)


@cache
def _measure(
    architecture: str, depth: int, frozen_groups: int, device: torch.device, precision: Precision
) -> Probe:
    backbone = Backbone(depth, architecture).to(device)
    image_NFT = torch.zeros((PROBE_IMAGES, *IMAGE_SHAPE), dtype=torch.uint8, device=device)
    prefix, tail = backbone.prefix(frozen_groups), backbone.tail(frozen_groups)

    def run_prefix() -> Tensor:
        with torch.no_grad(), autocast(device, precision):
            activation: Tensor = prefix(image_NFT)
        return activation

    activation = run_prefix()

    def run_tail() -> Tensor:
        with autocast(device, precision):
            features_ND: Tensor = tail(activation)
        torch.autograd.backward(features_ND.float().sum())
        return features_ND

    trains = frozen_groups < len(GROUPS)  # a head alone costs next to nothing
    return Probe(
        prefix_s=_seconds(run_prefix, device) / PROBE_IMAGES if frozen_groups else 0.0,
        prefix_bytes=activation[0].numel() * FLOAT_BYTES if frozen_groups else 0,
        tail_s=_seconds(run_tail, device) / PROBE_IMAGES if trains else 0.0,
        num_weights=sum(parameter.numel() for parameter in backbone.parameters()),
    )


def _seconds(step: Callable[[], Tensor], device: torch.device) -> float:
    """How long a step takes. A first run, which allocates memory, is not counted."""
    step()
    start_s = _clock_s(device)
    step()
    return _clock_s(device) - start_s


def _clock_s(device: torch.device) -> float:
    """On a CPU, a clock that counts only the time this process computes, per thread, so that other programs
    do not distort it. On a GPU, the time when all queued work is finished.
    """
    if device.type == "cpu":
        return time.process_time() / min(torch.get_num_threads(), os.cpu_count() or 1)
    torch.cuda.synchronize(device)
    return time.perf_counter()
