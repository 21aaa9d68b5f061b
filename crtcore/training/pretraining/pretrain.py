"""The stage `pretrain`: train a network to classify heartbeats. Each image is one example."""

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import numpy as np
import torch

from crtcore.config import Experiment
from crtcore.data.loader import ImageSet, load_images
from crtcore.model.backbones import Classifier, build
from crtcore.model.checkpoint import encode_classifier
from crtcore.model.statistics import set_batch_statistics
from crtcore.seeding import child_seed
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.device import DeviceImages, precision_identity
from crtcore.training.engine.epochs import fit, num_batches
from crtcore.training.engine.history import HISTORY_FILE, EpochReport, encode_history
from crtcore.training.pretraining.beat_scores import SCORES_FILE, BeatScores
from crtcore.training.pretraining.beat_training import BeatTraining
from crtcore.training.pretraining.data_parallel import ParallelTraining, training_devices
from crtcore.training.pretraining.pretrain_set import PretrainSet, pretrain_set

PRETRAIN_VERSION: Final = 3
MODEL_FILE: Final = "model.safetensors"
NUM_STATISTICS_IMAGES: Final = 4096
STATISTICS_BATCH_SIZE: Final = 256


def pretrain_stage(experiment: Experiment, arrhythmia: Stage) -> Stage:
    """The identity of one pre-training: its settings, the seed and the images.

    Settings that have no effect are left out: an untrained network has few settings.
    """
    config = experiment.pretrain.model_dump(mode="json")
    if experiment.pretrain.objective == "none":
        config = {name: config[name] for name in ("architecture", "depth", "objective")}
    if not experiment.pretrain.architecture.startswith("resnet"):
        del config["depth"]
    return Stage(
        name="pretrain",
        config={**config, "seed": experiment.seed, **precision_identity(experiment)},
        inputs=(arrhythmia.digest,),
        version=PRETRAIN_VERSION,
    )


def run_pretrain(
    store: StageStore, stage: Stage, experiment: Experiment, arrhythmia: Stage, device: torch.device
) -> Iterator[EpochReport]:
    """Train the network and commit it. Yields one report per epoch, none if the stage is committed already.

    Commits `model.safetensors`, `history.json` and facts. If the split leaves beats to score, it also commits
    `scores.parquet`, and their metrics as the fact `figures`. With objective `none` the weights stay random.
    Only the batch-norm statistics are set, in one pass over a sample of the images, so that frozen random
    features are a fair control. Raises DataError if the images do not fit the objective or the split,
    DivergedError if the loss is not finite.
    """
    if store.find(stage) is not None:
        return
    images = load_images(store, arrhythmia)
    if experiment.pretrain.objective == "none":
        network, report = _untrained(stage, experiment, images, device)
        _commit(store, stage, network, [report])
        yield report
        return
    devices = training_devices(experiment, device)
    learning: AbstractContextManager[BeatTraining | ParallelTraining] = (
        nullcontext(BeatTraining(experiment, images, _chosen(images, experiment), device))
        if len(devices) == 1
        else ParallelTraining(experiment, store, arrhythmia, devices)
    )
    with learning as learner:
        yield from fit(
            store,
            stage,
            learner,
            num_epochs=experiment.pretrain.epochs,
            finish=lambda reports: _commit(
                store, stage, learner.network, reports, scores=learner.scores, seed=experiment.seed
            ),
        )


def _chosen(images: ImageSet, experiment: Experiment) -> PretrainSet:
    return pretrain_set(images, experiment.pretrain, seed=experiment.seed)


def _commit(
    store: StageStore,
    stage: Stage,
    network: Classifier,
    reports: list[EpochReport],
    *,
    scores: BeatScores | None = None,
    seed: int = 0,
) -> None:
    facts = {
        "architecture": network.backbone.architecture,
        "depth": network.backbone.depth,
        "objective": stage.config["objective"],
        "classes": list(network.classes),
        "metrics": reports[-1].metrics,
        "num_images": reports[-1].num_images,
        "seconds": sum(report.seconds for report in reports),
    }
    files = {
        MODEL_FILE: encode_classifier(network),
        HISTORY_FILE: json.dumps(encode_history(reports), indent=1).encode(),
    }
    if scores is not None:
        facts["figures"] = scores.metrics(seed=seed)  # the key that stored manifests have
        files[SCORES_FILE] = scores.encode()
    store.commit(stage, files, facts)


def _untrained(
    stage: Stage, experiment: Experiment, images: ImageSet, device: torch.device
) -> tuple[Classifier, EpochReport]:
    start_s = time.monotonic()
    seed = child_seed(experiment.seed, "pretrain")
    config = experiment.pretrain
    network = build(config.depth, child_seed(seed, "initial"), architecture=config.architecture).to(device)
    order = np.random.default_rng(child_seed(seed, "statistics")).permutation(images.num_images)
    sample = order[:NUM_STATISTICS_IMAGES]
    batches = np.array_split(sample, num_batches(len(sample), STATISTICS_BATCH_SIZE))
    on_device = DeviceImages(images.image_NFT, device)
    set_batch_statistics(network, (on_device.take(batch) for batch in batches))
    report = EpochReport(
        stage=stage.name,
        epoch=1,
        num_epochs=1,
        metrics={},
        num_images=len(sample),
        seconds=time.monotonic() - start_s,
    )
    return network, report
