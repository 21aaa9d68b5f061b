"""The stage `refit`: the winner's network trained again on all patients, with the same schedule.

No patient is left to score it on, so the sweep's corrected estimate is its score.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from crtcore.config import FinetuneConfig
from crtcore.data.loader import ImageSet, load_images
from crtcore.data.splits import Fold
from crtcore.model.backbones import Backbone
from crtcore.model.checkpoint import load_backbone
from crtcore.prediction.network import BeatModel, assembled, encode_model, load_model
from crtcore.seeding import child_seed
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.device import DeviceImages
from crtcore.training.engine.epochs import fit
from crtcore.training.engine.history import EpochReport
from crtcore.training.finetuning.cross_validation import initial_features
from crtcore.training.finetuning.features import frozen_activations
from crtcore.training.finetuning.fold_training import FoldTraining
from crtcore.training.finetuning.patients import PatientBeats, patient_beats
from crtcore.training.pretraining.pretrain import MODEL_FILE

REFIT_VERSION: Final = 1
# How a trial is scored, which a refit is not; and what model it is, which is always a network.
NOT_TRAINED_BY: Final = ("folds", "repeats", "model")


def refit_stage(config: FinetuneConfig, seed: int, pretrain: Stage, cohort: Stage) -> Stage:
    """The identity of a refit: the trial's settings, the seed, the pre-trained network and the images."""
    settings = {k: v for k, v in config.model_dump(mode="json").items() if k not in NOT_TRAINED_BY}
    return Stage(
        name="refit",
        config={**settings, "seed": seed},
        inputs=(pretrain.digest, cohort.digest),
        version=REFIT_VERSION,
    )


def run_refit(
    store: StageStore,
    stage: Stage,
    config: FinetuneConfig,
    seed: int,
    pretrain: Stage,
    cohort: Stage,
    device: torch.device,
    *,
    images: ImageSet | None = None,
) -> Iterator[EpochReport]:
    """Train the network on all patients and commit it. Yields one report per epoch, or none if the stage was
    built before.

    `images` are those of `cohort`, if the caller has loaded them already.
    """
    if store.find(stage) is not None:
        return
    images = images or load_images(store, cohort)
    beats = patient_beats(images, torch.from_numpy(np.array(images.image_NFT)), amplitude=config.amplitude)
    learner = Refit(load_backbone(store.path(pretrain, MODEL_FILE)).to(device), beats, config, seed)
    yield from fit(
        store,
        stage,
        learner,
        num_epochs=config.epochs,
        finish=lambda reports: _commit(store, stage, learner.model(), reports),
    )


def load_refit(store: StageStore, stage: Stage) -> BeatModel:
    """The network of a refit. StorageError if it was not built or is damaged."""
    model = load_model(lambda name: store.path(stage, name))
    assert isinstance(model, BeatModel)
    return model


class Refit:
    """The learner: the training of a fold that holds every patient."""

    def __init__(self, backbone: Backbone, beats: PatientBeats, config: FinetuneConfig, seed: int) -> None:
        """`beats` holds images, uint8, on any device. `backbone` is trained in place, on its own device."""
        self._backbone = backbone
        self._config = config
        self._seed = seed
        self._num_leads, self._num_scalars = beats.scalar_BCE.shape[1:]
        device = next(backbone.parameters()).device
        num_frozen = config.frozen_groups
        inputs = beats.inputs
        if num_frozen:
            images = DeviceImages(inputs.flatten(0, 1).numpy(), device)
            activation = frozen_activations(backbone, images, num_frozen)
            inputs = activation.reshape(-1, beats.num_leads, *activation.shape[1:])
        beats = replace(beats, inputs=inputs.to(device), scalar_BCE=beats.scalar_BCE.to(device))
        everyone = Fold(train_P=np.arange(len(beats.id_P)), test_P=np.empty(0, dtype=np.int64))
        body = backbone.tail(num_frozen)
        self._training = FoldTraining(body, initial_features(body, beats), beats, everyone, config)

    def run_epoch(self, epoch: int) -> tuple[dict[str, float], int]:
        loss = self._training.run_epoch(epoch, child_seed(self._seed, "refit", epoch))
        return {"loss": loss}, self._training.num_train_images

    def state(self) -> dict[str, Tensor]:
        return self._training.state()

    def load_state(self, tensors: Mapping[str, Tensor], *, name: str) -> None:
        self._training.load_state(tensors, name=name)

    def model(self) -> BeatModel:
        """The whole network on the CPU: the frozen groups unchanged, the rest and the head trained."""
        return assembled(
            self._backbone,
            self._training.network,
            num_frozen=self._config.frozen_groups,
            num_leads=self._num_leads,
            num_scalars=self._num_scalars,
            lead_fusion=self._config.lead_fusion,
        )


def _commit(store: StageStore, stage: Stage, model: BeatModel, reports: list[EpochReport]) -> None:
    facts = {
        "loss": reports[-1].metrics["loss"],
        "num_images": reports[-1].num_images,
        "seconds": sum(report.seconds for report in reports),
    }
    store.commit(stage, encode_model(model), facts)
