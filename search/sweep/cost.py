"""How long a sweep would compute and what it would store, from timing a few images in each network here."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import torch
from torch import Tensor

from crtcore.config import Experiment
from crtcore.model.backbones import GROUPS, Backbone
from crtcore.training.engine.device import Precision, autocast

PROBE_IMAGES: Final = 32
IMAGE_SHAPE: Final = (64, 64)
IMAGE_BYTES: Final = IMAGE_SHAPE[0] * IMAGE_SHAPE[1]
FLOAT_BYTES: Final = 4
# Scoring a fold is a forward pass; training is one and a backward pass of about twice its cost.
FORWARD_SHARE: Final = 1 / 3


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """`hours` are of one trial slot on this machine, if no trial stops early; `num_bytes` are those of the
    stages that would be built. Both are rough: the beats of recordings that are not prepared are guessed.
    """

    num_pretrainings: int
    hours: float
    num_bytes: int

    def sentence(self) -> str:
        """The estimate in words."""
        hours = f"{self.hours:.1f} h" if self.hours >= 1 else f"{60 * self.hours:.0f} min"
        return (
            f"To compute: about {hours} in one trial slot as fast as here, were no trial stopped early "
            f"({self.num_pretrainings} pretrainings); to store: about {self.num_bytes / 1e9:.1f} GB."
        )


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Seconds and bytes an image: to run it through the frozen groups, to keep what they make of it, and to
    train the others on that; `num_weights` are the network's.
    """

    prefix_s: float
    prefix_bytes: int
    tail_s: float
    num_weights: int


def estimate(
    *,
    pretrain: Sequence[Experiment],
    features: Sequence[Experiment],
    finetune: Sequence[Experiment],
    num_trials: int,
    num_arrhythmia_images: int,
    num_cohort_images: int,
    device: torch.device,
) -> Estimate:
    """The cost of `num_trials` trials that are spread evenly over the experiments in `finetune`, with one
    experiment for each pretraining and each set of features that is not built yet. Times a few images in
    every network on `device`.
    """
    share = min(1.0, num_trials / max(1, len(pretrain)))  # each trial needs one pretraining at most
    seconds = num_bytes = 0.0
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


def probe_of(experiment: Experiment, frozen_groups: int, device: torch.device) -> Probe:
    """The probe of an experiment's network, measured once in the process."""
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
    """How long a step takes, the first one, which allocates, aside."""
    step()
    start_s = _clock_s(device)
    step()
    return _clock_s(device) - start_s


def _clock_s(device: torch.device) -> float:
    """A clock that runs only while this process has the CPUs that its threads want, or as many as there are;
    a GPU's work is waited for.
    """
    if device.type == "cpu":
        return time.process_time() / min(torch.get_num_threads(), os.cpu_count() or 1)
    torch.cuda.synchronize(device)
    return time.perf_counter()
