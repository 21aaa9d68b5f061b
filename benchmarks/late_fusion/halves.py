"""DS1 divided in two: a network trained on one half of its records and scored on the other.

So a choice can be made without looking at DS2.
"""

import dataclasses
from collections.abc import Iterator
from typing import Final

import numpy as np
import torch

from crtcore.config import Experiment
from crtcore.data.loader import ImageSet, load_images
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.epochs import fit
from crtcore.training.engine.history import EpochReport
from crtcore.training.pretraining.beat_scores import SCORES_FILE
from crtcore.training.pretraining.beat_training import BeatTraining
from crtcore.training.pretraining.pretrain import pretrain_stage
from crtcore.training.pretraining.pretrain_set import PretrainSet, pretrain_set

HALVES: Final = (0, 1)


def half_stage(experiment: Experiment, arrhythmia: Stage, half: int) -> Stage:
    """The identity of the network that is scored on this half of DS1."""
    network = pretrain_stage(experiment, arrhythmia)
    return Stage(
        name="half",
        config={**network.config, "scored_half": half},
        inputs=network.inputs,
        version=network.version,
    )


def half_set(images: ImageSet, experiment: Experiment, half: int) -> PretrainSet:
    """Score every second record of DS1, from the first or the second on; train on its other records."""
    ds1 = pretrain_set(images, experiment.pretrain, seed=experiment.seed)
    record_N = images.record_N[ds1.train]
    scored_N = np.isin(record_N, np.unique(record_N)[half :: len(HALVES)])
    return dataclasses.replace(ds1, train=ds1.train[~scored_N], test=ds1.train[scored_N])


def run_half(
    store: StageStore,
    stage: Stage,
    experiment: Experiment,
    arrhythmia: Stage,
    half: int,
    device: torch.device,
) -> Iterator[EpochReport]:
    """Train, score and commit `scores.parquet`.

    Yields one report per epoch, none if the stage is committed.
    """
    if store.find(stage) is not None:
        return
    images = load_images(store, arrhythmia)
    learner = BeatTraining(experiment, images, half_set(images, experiment, half), device)

    def finish(reports: list[EpochReport]) -> None:
        assert learner.scores is not None
        seconds = sum(report.seconds for report in reports)
        store.commit(stage, {SCORES_FILE: learner.scores.encode()}, {"seconds": seconds})

    yield from fit(store, stage, learner, num_epochs=experiment.pretrain.epochs, finish=finish)
